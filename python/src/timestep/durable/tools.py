"""What a tool says about its own durability, and what it learns about the run."""

from collections.abc import Callable
from typing import overload

from agents import FunctionTool, RunContextWrapper

from timestep.errors import NotDurableError

_MARK = "_timestep_at_most_once"
_KEY = "_timestep_idempotency_key"


@overload
def durable_tool(tool: FunctionTool) -> FunctionTool: ...
@overload
def durable_tool(*, at_most_once: bool = False) -> Callable[[FunctionTool], FunctionTool]: ...
def durable_tool(
    tool: FunctionTool | None = None, *, at_most_once: bool = False
) -> FunctionTool | Callable[[FunctionTool], FunctionTool]:
    """Say how a tool behaves in durable runs; stands above `@function_tool`.

    Args:
        tool: The tool (None: returns the decorator).
        at_most_once: True for a tool whose call must not be made twice, such as a payment: if
            the process dies during a call, the call is not made again, and the model is told
            that its outcome is unknown. False: the call is made again (False).
    """
    if tool is not None:
        return mark_at_most_once(tool) if at_most_once else tool
    return lambda decorated: durable_tool(decorated, at_most_once=at_most_once)  # type: ignore[call-overload]


def mark_at_most_once(tool: FunctionTool) -> FunctionTool:
    """Keep calls of this tool from being repeated after a crash; returns the same tool."""
    setattr(tool, _MARK, True)
    return tool


def is_at_most_once(tool: FunctionTool) -> bool:
    """Return whether calls of this tool are never repeated."""
    return getattr(tool, _MARK, False)


def idempotency_key(context: RunContextWrapper[object]) -> str:
    """Return the key of the tool call that this context belongs to.

    It is the same whenever the call is made again, in either language: hand it to a service that
    takes such a key, and a payment is made once even if the call is made twice.

    Args:
        context: What the tool got as its first argument.

    Raises:
        NotDurableError: The tool was not called by a durable run.
    """
    key = getattr(context, _KEY, None)
    if key is None:
        raise NotDurableError(
            "There is no idempotency key: this tool was not called by a durable run. Start the run"
            " with run_agent_workflow()."
        )
    return key


def set_idempotency_key(context: RunContextWrapper[object], key: str) -> None:
    """Give the context of a tool call its key."""
    setattr(context, _KEY, key)
