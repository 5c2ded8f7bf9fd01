"""The agent of the demo, the same as in demo/agent.ts: it asks before it sends a refund."""

from collections.abc import Callable
from typing import Any

from agents import Agent, function_tool

OnCall = Callable[[str, dict[str, str], str], None]

INSTRUCTIONS = (
    "You answer customers of a shop. Look the order up, then refund all that was paid for it "
    "by calling send_refund at once: a person approves the call, so do not ask the customer. "
    "Once it is paid or turned down, say what happened in one sentence."
)


def refund_agent(model: str, on_call: OnCall) -> Agent[Any]:
    """Return the agent.

    Args:
        model: The model's name.
        on_call: Told of each call of a tool as it is made: name, arguments, output.
    """

    def called(tool: str, arguments: dict[str, str], output: str) -> str:
        on_call(tool, arguments, output)
        return output

    @function_tool
    def look_up_order(order: str) -> str:
        """Look up what was bought and paid."""
        found = f"Order {order}: one blue cup, 42.00 EUR, paid."
        return called("look_up_order", {"order": order}, found)

    @function_tool(needs_approval=True)
    def send_refund(order: str, amount: str) -> str:
        """Pay money back to the customer."""
        done = f"Refunded {amount} for order {order}."
        return called("send_refund", {"order": order, "amount": amount}, done)

    return Agent(
        name="refunds",
        instructions=INSTRUCTIONS,
        model=model,
        tools=[look_up_order, send_refund],
    )
