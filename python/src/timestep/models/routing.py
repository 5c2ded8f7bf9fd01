"""Which provider a model's name means."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from agents import (
    Model,
    ModelProvider,
    ModelResponse,
    MultiProvider,
    OpenAIResponsesModel,
    UserError,
)
from agents.items import TResponseStreamEvent
from agents.models.multi_provider import MultiProviderMap
from agents.retry import ModelRetryAdvice, ModelRetryAdviceRequest
from openai import AsyncOpenAI

from timestep.models.connections import use_own_connections
from timestep.models.failures import broken_answers, whole_answer
from timestep.models.items import ModelInput, for_openai
from timestep.models.ollama import OllamaModelProvider
from timestep.models.ollama_model import OllamaModel

MultiModelProviderMap = MultiProviderMap
"""Prefixes of model names and the providers they stand for."""


class MultiModelProvider(MultiProvider):
    """Models of several providers, chosen by the prefix of the name.

    No prefix and `openai/` mean OpenAI, `ollama/` means Ollama, and the map may hold any other
    prefix or another provider for one of these. Only the first slash ends a prefix. Whether an
    `ollama/` model runs locally or in Ollama Cloud is decided by its suffix alone.
    """

    def __init__(
        self,
        *,
        provider_map: MultiModelProviderMap | None = None,
        openai_api_key: str | None = None,
        openai_base_url: str | None = None,
        openai_client: AsyncOpenAI | None = None,
        openai_organization: str | None = None,
        openai_project: str | None = None,
        openai_use_responses: bool | None = None,
        **options: Any,
    ) -> None:
        """Make a provider. Nothing is opened before the first call.

        Args:
            provider_map: Providers by prefix (none).
            openai_api_key: An empty key counts as none (OPENAI_API_KEY).
            openai_base_url: An empty address counts as none (OPENAI_BASE_URL).
            openai_client: A client for OpenAI's models, in place of key and address (none).
            openai_organization: The organization that OpenAI bills (OPENAI_ORG_ID).
            openai_project: The project that OpenAI bills (OPENAI_PROJECT_ID).
            openai_use_responses: Whether OpenAI's models use the Responses API (True).
            options: Any other argument of the SDK's MultiProvider.
        """
        super().__init__(
            provider_map=provider_map,
            openai_api_key=openai_api_key or None,
            openai_base_url=openai_base_url or None,
            openai_client=openai_client,
            openai_organization=openai_organization or None,
            openai_project=openai_project or None,
            openai_use_responses=openai_use_responses,
            **options,
        )
        self._ollama = OllamaModelProvider()
        self._client: AsyncOpenAI | None = None

    def get_model(self, model_name: str | None) -> Model:
        """Return the model with this name; no name or an empty one is OpenAI's default.

        Raises:
            UserError: The prefix is unknown, or there is nothing behind it.
        """
        prefix, slash, name = (model_name or "").partition("/")
        if slash and not name:
            raise UserError(f"{model_name!r} names no model: write one behind the slash.")
        provider = self._provider(prefix) if slash else None
        if isinstance(provider, OllamaModelProvider):
            return provider.get_model(name, key_means_cloud=False)
        try:
            model = super().get_model(model_name or None)
        except UserError as error:
            if "Unknown prefix" not in str(error):
                raise
            raise UserError(
                f"Unknown prefix {prefix!r} in the model name {model_name!r}; known are "
                f"{', '.join(self._known())}. Add others with add_provider of the provider_map."
            ) from error
        if not isinstance(model, OpenAIResponsesModel) or isinstance(model, OllamaModel):
            return model
        self._client = use_own_connections(model, self._client)
        return OpenAIModel(model)

    def _provider(self, prefix: str) -> ModelProvider | None:
        mapped = self.provider_map.get_provider(prefix) if self.provider_map else None
        return mapped or (self._ollama if prefix == "ollama" else None)

    def _known(self) -> list[str]:
        mapped = self.provider_map.get_mapping() if self.provider_map else {}
        return sorted({"any-llm", "litellm", "ollama", "openai", *mapped})

    async def aclose(self) -> None:
        """Close the connections that the providers opened; a later call opens new ones."""
        await self._ollama.aclose()
        client, self._client = self._client, None
        if client is not None:
            await client.close()
        await super().aclose()


class OpenAIModel(Model):
    """A model behind OpenAI's Responses API that is shown nothing of Ollama's."""

    def __init__(self, model: OpenAIResponsesModel) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        """Answer for the model that is called; the SDK asks it more than `Model` declares."""
        if name == "_model" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._model, name)

    async def get_response(
        self,
        system_instructions: str | None,
        input: ModelInput,  # noqa: A002 - the SDK's name
        *args: Any,
        **kwargs: Any,
    ) -> ModelResponse:
        """Return the answer."""
        with broken_answers():
            return await self._model.get_response(
                system_instructions, for_openai(input), *args, **kwargs
            )

    async def stream_response(
        self,
        system_instructions: str | None,
        input: ModelInput,  # noqa: A002 - the SDK's name
        *args: Any,
        **kwargs: Any,
    ) -> AsyncIterator[TResponseStreamEvent]:
        """Yield the events of the answer."""
        events = self._model.stream_response(
            system_instructions, for_openai(input), *args, **kwargs
        )
        async with aclosing(whole_answer(events)) as answer:
            async for event in answer:
                yield event

    def get_retry_advice(self, request: ModelRetryAdviceRequest) -> ModelRetryAdvice | None:
        """Return what the model says about trying again."""
        return self._model.get_retry_advice(request)

    async def close(self) -> None:
        """Close what the model keeps open."""
        await self._model.close()

    async def _cleanup_on_run_end(self, owner: object) -> None:
        # The SDK calls it on the outer model only.
        await self._model._cleanup_on_run_end(owner)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
