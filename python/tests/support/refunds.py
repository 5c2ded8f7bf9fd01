"""A small agent that asks before it pays, and the model's part in it."""

from dataclasses import dataclass, field
from typing import Any

from agents import Agent, FunctionTool, function_tool

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
