"""A small agent that asks before it pays, and the model's part in it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from agents import Agent, FunctionTool, function_tool
from support.models import close_default_provider
from timestep.testing import ModelServer

ASK = {"type": "function_call", "name": "send_refund", "arguments": {"order": "4711"}}
NOTE = {"type": "function_call", "name": "note", "arguments": {"text": "first"}}
NOTE_AGAIN = {"type": "function_call", "name": "note", "arguments": {"text": "second"}}
DONE = {"type": "message", "text": "Done."}
BROKEN = {"fault": {"status": 400, "body": {"error": {"message": "boom", "type": "test"}}}}


def turn(*output: dict[str, Any]) -> dict[str, Any]:
    """Return a step of the model's script."""
    return {"output": list(output)}


@dataclass
class Refunds:
    """Tools that keep a list of what they did."""

    done: list[str] = field(default_factory=list)

    def agent(self, **options: Any) -> Agent:
        return Agent(name="assistant", model="gpt-4.1", tools=self.tools(), **options)

    def tools(self) -> list[FunctionTool]:
        @function_tool(needs_approval=True)
        def send_refund(order: str) -> str:
            self.done.append(f"refund {order}")
            return f"refunded {order}"

        @function_tool
        def note(text: str) -> str:
            self.done.append(f"note {text}")
            return "noted"

        return [send_refund, note]


@pytest.fixture
async def model(
    model_server: ModelServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ModelServer]:
    """Give a test a database of its own and a model that asks for a refund, then is done."""
    monkeypatch.setenv("OPENAI_BASE_URL", model_server.url)
    monkeypatch.setenv("OPENAI_API_KEY", model_server.api_key("refunds"))
    monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")
    monkeypatch.setenv("PG_CONNECTION_URI", database_url)
    model_server.script("refunds", [turn(ASK), turn(DONE)])
    yield model_server
    await close_default_provider()
