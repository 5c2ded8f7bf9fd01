"""What a tool says about its own durability, and what it learns about the run."""

from collections.abc import Callable
from typing import Any, Literal, overload

from agents import FunctionTool, RunContextWrapper

from timestep.errors import ConfigurationError, NotDurableError

WhenUnknown = Literal["tell", "ask"]

_MARK = "_timestep_when_unknown"
_KEY = "_timestep_idempotency_key"


@overload
def durable_tool(tool: FunctionTool) -> FunctionTool: ...
@overload
def durable_tool(
    *, at_most_once: bool = False, when_unknown: WhenUnknown = "tell"
) -> Callable[[FunctionTool], FunctionTool]: ...
def durable_tool(
    tool: FunctionTool | None = None,
    *,
    at_most_once: bool = False,
    when_unknown: WhenUnknown = "tell",
) -> FunctionTool | Callable[[FunctionTool], FunctionTool]:
    """Say how a tool behaves in durable runs; stands above `@function_tool`.

    Args:
        tool: The tool (None: returns the decorator).
        at_most_once: True for a tool whose call must not be made twice, such as a payment: if
            the process dies during a call, it is not made again by itself. False: it is (False).
        when_unknown: What happens after such a death, as for `mark_at_most_once` ("tell").

    Raises:
        ConfigurationError: The tool cannot be marked, or `when_unknown` is given without
            `at_most_once`.
    """
    if when_unknown != "tell" and not at_most_once:
        raise ConfigurationError("when_unknown is for tools with at_most_once=True.")
    if tool is not None:
        return mark_at_most_once(tool, when_unknown=when_unknown) if at_most_once else tool

    def decorate(decorated: FunctionTool) -> FunctionTool:
        if not at_most_once:
            return decorated
        return mark_at_most_once(decorated, when_unknown=when_unknown)

    return decorate


def mark_at_most_once(tool: FunctionTool, *, when_unknown: WhenUnknown = "tell") -> FunctionTool:
    """Keep calls of this tool from being repeated after a crash; returns the same tool.

    Args:
        tool: A function tool of the SDK.
        when_unknown: What happens when the process died during a call, so that nobody knows
            whether it took effect. "tell": the model is told so. "ask": the run pauses for a
            person, as for an approval; approving makes the call again, rejecting does not, and
            the model is told the person's message ("tell").

    Raises:
        ConfigurationError: It is no function tool, or one that runs an agent; or `when_unknown`
            is neither of the two.
    """
    given: Any = tool
    if not isinstance(given, FunctionTool):
        raise ConfigurationError(
            f"A tool that runs at most once is a FunctionTool, but got {type(given).__name__}:"
            " put durable_tool above function_tool."
        )
    if getattr(tool, "_is_agent_tool", False):
        raise ConfigurationError(
            f"The tool {tool.name!r} runs an agent, whose calls are recorded one by one: mark the"
            " tools of that agent."
        )
    if when_unknown not in ("tell", "ask"):
        raise ConfigurationError(f'when_unknown is {when_unknown!r}; expected "tell" or "ask".')
    setattr(tool, _MARK, when_unknown)
    return tool


def when_unknown(tool: FunctionTool) -> WhenUnknown | None:
    """Return what happens to a call of unknown outcome; None: it is made again."""
    return getattr(tool, _MARK, None)


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
