"""The model of the demo: OpenAI's with a key, else the scripted model server over real HTTP."""

import uuid
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Protocol

from timestep import settings
from timestep.testing import ModelServer, Step

NAME = "gpt-4.1"


class Model(Protocol):
    """Answers the agent."""

    @property
    def description(self) -> str:
        """What answers, in words."""
        ...

    def environment(self, answers: Sequence[Step]) -> dict[str, str]:
        """Return the settings that lead a process to the model.

        Args:
            answers: What a scripted model says to this process, in order.
        """
        ...


@contextmanager
def chosen_model() -> Generator[Model]:
    """Yield OpenAI's model if there is a key, else the scripted one."""
    if settings.text("OPENAI_API_KEY"):
        yield _RealModel()
        return
    with ModelServer() as server:
        yield _ScriptedModel(server)


class _RealModel:
    def __init__(self) -> None:
        address = settings.text("OPENAI_BASE_URL")
        self.description = (
            f"{NAME}{f' at {address}' if address else ''}, with the key in OPENAI_API_KEY"
        )

    def environment(self, answers: Sequence[Step]) -> dict[str, str]:
        del answers  # it finds its own
        return {}


class _ScriptedModel:
    def __init__(self, server: ModelServer) -> None:
        self._server = server
        self.description = f"scripted, since OPENAI_API_KEY is not set; a server at {server.url}"

    def environment(self, answers: Sequence[Step]) -> dict[str, str]:
        script = f"demo-{uuid.uuid4()}"
        self._server.script(script, list(answers))
        return {
            "OPENAI_API_KEY": self._server.api_key(script),
            "OPENAI_BASE_URL": self._server.url,
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
        }


def calls(tool: str, **arguments: str) -> Step:
    """Return an answer that calls a tool."""
    return {"output": [{"type": "function_call", "name": tool, "arguments": arguments}]}


def says(text: str) -> Step:
    """Return an answer that ends the run."""
    return {"output": [{"type": "message", "text": text}]}


def thinks_for_ever() -> Step:
    """Return an answer that does not come: who asks for it is killed meanwhile."""
    return {"hold": "thinking"}
