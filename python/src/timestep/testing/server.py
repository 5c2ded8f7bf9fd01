"""The scripted model server as a process that ends with this one."""

import http.client
import json
import subprocess
from typing import Any, Self, cast
from urllib.parse import quote

from timestep.errors import ConfigurationError, TimestepError
from timestep.testing.process import announced_port, launch, stop
from timestep.testing.wire import JournalEntry, Step

_ANSWER_SECONDS = 30.0


class ModelServer:
    """A real HTTP server on 127.0.0.1 that stands in for the model.

    It answers as its scripts say, and refuses what OpenAI, Ollama and Firecrawl would refuse.
    A run chooses its script by its API key, so an agent needs nothing but the two settings
    that it needs anyway:

        with ModelServer() as server:
            server.script("greeting", [{"output": [{"type": "message", "text": "Hello!"}]}])
            client = AsyncOpenAI(base_url=server.url, api_key=server.api_key("greeting"))

    The server is a Node.js process. It ends with the `with` block, and with this process however
    this process ends.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    def start(self) -> Self:
        """Start the server and return it once it listens; a running one is left as it is.

        Raises:
            ConfigurationError: There is no Node.js 22.18 or newer.
            TimestepError: The server did not start within 30 seconds.
        """
        if self._process is None:
            process = launch()
            try:
                self._port = announced_port(process)
            except BaseException:
                stop(process)
                raise
            self._process = process
        return self

    def close(self) -> None:
        """Stop the server; held requests lose their connection. May be called again."""
        process, self._process = self._process, None
        if process is not None:
            stop(process)

    def __enter__(self) -> Self:
        """Start the server."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop the server."""
        self.close()

    @property
    def origin(self) -> str:
        """The address without a path: `http://127.0.0.1:<port>`."""
        if self._process is None:
            raise ConfigurationError(
                "The model server is not running: use `with ModelServer() as server:`, "
                "or call start() first."
            )
        return f"http://127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        """The base URL in place of `https://api.openai.com/v1`."""
        return f"{self.origin}/v1"

    @property
    def ollama_url(self) -> str:
        """The address in place of a local Ollama's `http://localhost:11434`."""
        return f"{self.origin}/ollama"

    @property
    def ollama_cloud_url(self) -> str:
        """The address in place of `https://ollama.com`."""
        return f"{self.origin}/ollama-cloud"

    @property
    def firecrawl_url(self) -> str:
        """The address in place of `https://api.firecrawl.dev`."""
        return f"{self.origin}/firecrawl"

    def api_key(self, script_id: str) -> str:
        """Return the API key that makes a client follow this script."""
        return f"test-{script_id}"

    def script(
        self,
        script_id: str,
        steps: list[Step],
        *,
        loose: bool = False,
        seed: str | None = None,
        conversations: list[str] | None = None,
        ollama: dict[str, Any] | None = None,
    ) -> None:
        """Set what the model says to the requests with this script's key, one step each.

        What was set, stored and recorded under this id before is forgotten.

        Args:
            script_id: Letters, digits, `.`, `_` and `-`.
            steps: The answers, in order.
            loose: True takes every request as it is; the strict rules are off (False).
            seed: What the ids are made from (the script id). Two scripts of one seed give
                equal ids.
            conversations: Conversation ids that are known from the start (none).
            ollama: What the Ollama that the script stands for knows and does (a new one that
                has every model); see the page on the model server.

        Raises:
            TimestepError: The server refused the script; the message says which field is wrong.
        """
        options = {"seed": seed, "conversations": conversations, "ollama": ollama}
        given = {name: value for name, value in options.items() if value is not None}
        self._ask(
            "POST", f"/__script/{_part(script_id)}", {"steps": steps, "loose": loose, **given}
        )

    def requests(self, script_id: str | None = None) -> list[JournalEntry]:
        """Return the requests that named this script, in order of arrival.

        Args:
            script_id: The script; None returns every request, also those that named no script
                (None).
        """
        path = "/__requests" if script_id is None else f"/__script/{_part(script_id)}/requests"
        return cast("list[JournalEntry]", self._ask("GET", path))

    def release(self, script_id: str, gate: str) -> None:
        """Let one request pass the gate: the one held there, or the next one that comes."""
        self._ask("POST", f"/__script/{_part(script_id)}/release/{_part(gate)}")

    def wait_until_held(self, script_id: str, gate: str, *, timeout_seconds: float = 10.0) -> None:
        """Return as soon as a request is held at the gate.

        Args:
            script_id: The script.
            gate: The name that the step gives as `hold`.
            timeout_seconds: How long to wait, at most 60 (10).

        Raises:
            TimeoutError: No request was held there in time.
        """
        path = f"/__script/{_part(script_id)}/held/{_part(gate)}"
        wait_ms = round(timeout_seconds * 1000)
        answer = self._ask("GET", f"{path}?wait_ms={wait_ms}", patience=timeout_seconds)
        if not cast("dict[str, int]", answer)["held"]:
            raise TimeoutError(
                f"No request was held at {gate!r} of the script {script_id!r} "
                f"in {timeout_seconds} seconds."
            )

    def remove(self, script_id: str) -> None:
        """Forget the script and its journal; held requests are let go."""
        self._ask("DELETE", f"/__script/{_part(script_id)}")

    def _ask(self, method: str, path: str, body: object = None, *, patience: float = 0) -> object:
        host = self.origin.removeprefix("http://")
        connection = http.client.HTTPConnection(host, timeout=_ANSWER_SECONDS + patience)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            answer = cast("object", json.loads(response.read()))
        finally:
            connection.close()
        if response.status >= http.client.BAD_REQUEST:
            raise TimestepError(f"The model server refused {method} {path}: {answer}")
        return answer


def _part(name: str) -> str:
    return quote(name, safe="")
