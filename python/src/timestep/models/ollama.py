"""Ollama as a model provider: local servers and Ollama Cloud."""

from collections.abc import Mapping
from typing import cast

from agents import Model, ModelProvider
from openai import AsyncOpenAI, Omit

from timestep.errors import ConfigurationError
from timestep.models.connections import http_client
from timestep.models.context import check_num_ctx
from timestep.models.destination import Destination, find_destination, parse_host
from timestep.models.ollama_model import OllamaModel
from timestep.settings import text


class OllamaModelProvider(ModelProvider):
    """Models that run at Ollama, on this machine, on another host or in Ollama Cloud.

    Without arguments a model runs at OLLAMA_HOST or else at http://localhost:11434, and one
    whose name ends in `-cloud` or `:cloud` runs in Ollama Cloud with the key in OLLAMA_API_KEY.
    Nothing is opened before the first call.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        num_ctx: int | None = None,
        client: AsyncOpenAI | None = None,
    ) -> None:
        """Make a provider.

        Args:
            api_key: A key of Ollama Cloud: all models then run there, unless base_url is given,
                which then gets the key. An empty one counts as none (none).
            base_url: The host that serves every model, for example "http://gpu-box:11434";
                a path such as "/v1" may follow (none).
            num_ctx: The context in tokens with which local models are run. The server keeps a
                variant of the model for it, named like "qwen3-ctx32768". Models in Ollama
                Cloud always have their full context (the server's choice, often 4096).
            client: A client to call through, in place of api_key and base_url (none).

        Raises:
            ConfigurationError: An argument cannot be used as given.
        """
        if client is not None and (api_key or base_url):
            raise ConfigurationError("Pass either client or api_key and base_url, not both.")
        if base_url:
            parse_host(base_url, "base_url")
        self._api_key = api_key or None
        self._base_url = base_url or None
        self._num_ctx = check_num_ctx(num_ctx)
        self._client = client
        self._clients: dict[tuple[str, str], AsyncOpenAI] = {}
        self._models: dict[Destination, OllamaModel] = {}

    def get_model(self, model_name: str | None, *, key_means_cloud: bool = True) -> Model:
        """Return the model with this name.

        Args:
            model_name: For example "gpt-oss:20b", or "gpt-oss:20b-cloud" for Ollama Cloud.
            key_means_cloud: Whether api_key alone sends a plain name to Ollama Cloud. A
                MultiModelProvider passes False: there the suffix alone decides (True).

        Raises:
            UserError: There is no name, or no key for Ollama Cloud.
            ConfigurationError: OLLAMA_HOST cannot be read.
        """
        destination = find_destination(
            model_name,
            api_key=self._client.api_key if self._client else self._api_key,
            base_url=str(self._client.base_url) if self._client else self._base_url,
            key_means_cloud=key_means_cloud,
        )
        if destination not in self._models:
            client = self._client or self._client_for(destination)
            self._models[destination] = OllamaModel(destination, client, self._num_ctx)
        return self._models[destination]

    def _client_for(self, destination: Destination) -> AsyncOpenAI:
        where = (destination.root, destination.key)
        if where not in self._clients:
            self._clients[where] = AsyncOpenAI(
                base_url=f"{destination.root}/v1",
                api_key=destination.key,
                http_client=http_client(),
                default_headers=cast("Mapping[str, str]", _own_headers(destination.key)),
            )
        return self._clients[where]

    async def aclose(self) -> None:
        """Close the connections that this provider opened; a later call opens new ones."""
        clients = list(self._clients.values())
        self._clients.clear()
        self._models.clear()
        for client in clients:
            await client.close()


def _own_headers(key: str) -> dict[str, str | Omit]:
    """Keep what the environment says about OpenAI away from Ollama's hosts."""
    lines = (text("OPENAI_CUSTOM_HEADERS") or "").split("\n")
    names = [line.partition(":")[0].strip() for line in lines if ":" in line]
    unset = dict.fromkeys([*names, "OpenAI-Organization", "OpenAI-Project"], Omit())
    kept = {name: value for name, value in unset.items() if name.lower() != "authorization"}
    return {**kept, "Authorization": f"Bearer {key}"}
