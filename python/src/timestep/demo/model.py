"""The model of the demo: OpenAI's with a key, else the scripted model server over real HTTP."""

import uuid
from collections.abc import Generator
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

    def environment(self, order: str, decisions: list[bool] | None) -> dict[str, str]:
        """Return the settings that lead a process to the model.

        Args:
            order: The order that the run is about.
            decisions: What was decided on the pending calls (None: the run begins).
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

    def environment(self, order: str, decisions: list[bool] | None) -> dict[str, str]:
        del order, decisions
        return {}


class _ScriptedModel:
    def __init__(self, server: ModelServer) -> None:
        self._server = server
        self.description = f"scripted, since OPENAI_API_KEY is not set; a server at {server.url}"

    def environment(self, order: str, decisions: list[bool] | None) -> dict[str, str]:
        script = f"demo-{uuid.uuid4()}"
        self._server.script(script, _opening(order) if decisions is None else _end(decisions))
        return {
            "OPENAI_API_KEY": self._server.api_key(script),
            "OPENAI_BASE_URL": self._server.url,
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
        }


def _opening(order: str) -> list[Step]:
    refund = {"order": order, "amount": "42.00 EUR"}
    return [
        {"output": [_call("look_up_order", {"order": order})]},
        {"output": [_call("send_refund", refund)]},
    ]


def _end(decisions: list[bool]) -> list[Step]:
    done = "You have your 42.00 EUR back." if all(decisions) else "The refund was turned down."
    return [{"output": [{"type": "message", "text": done}]}]


def _call(tool: str, arguments: dict[str, str]) -> dict[str, object]:
    return {"type": "function_call", "name": tool, "arguments": arguments}
