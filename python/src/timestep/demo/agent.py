"""The agents of the demo, the same as in demo/agent.ts."""

from collections.abc import Callable
from typing import Any

from agents import Agent, ModelSettings, function_tool

OnCall = Callable[[str, dict[str, str], str], None]

REFUNDING = (
    "You answer customers of a shop. Look the order up, then refund all that was paid for it "
    "by calling send_refund at once: a person approves the call, so do not ask the customer. "
    "Once it is paid or turned down, say what happened in one sentence."
)
SELLING = (
    "You sell things. When a customer orders something, take the money with charge_customer, and "
    "once it is charged, send it with ship_order: one tool after the other, without asking back. "
    "Then say in one sentence what was done."
)


def refund_agent(model: str, on_call: OnCall) -> Agent[Any]:
    """Return the agent of the first act: it asks before it sends a refund.

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
        instructions=REFUNDING,
        model=model,
        tools=[look_up_order, send_refund],
    )


def selling_agent(model: str, on_call: OnCall) -> Agent[Any]:
    """Return the agent of the second act: what its tools do must not be done twice.

    Args:
        model: The model's name.
        on_call: Told of each call of a tool as it is made: name, arguments, output.
    """

    @function_tool
    def charge_customer(order: str, amount: str) -> str:
        """Take money from the customer."""
        done = f"Charged {amount} for order {order}."
        on_call("charge_customer", {"order": order, "amount": amount}, done)
        return done

    @function_tool
    def ship_order(order: str) -> str:
        """Send what was ordered."""
        done = f"Order {order} is on its way."
        on_call("ship_order", {"order": order}, done)
        return done

    return Agent(
        name="timestep_demo_sales",
        instructions=SELLING,
        model=model,
        model_settings=ModelSettings(parallel_tool_calls=False),
        tools=[charge_customer, ship_order],
    )
