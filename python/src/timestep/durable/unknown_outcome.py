"""Calls of tools that run at most once, and of which nobody knows whether they took effect.

- Who decides: a person, where the tool's mark says "ask"; else the model is told.
- What time means: a call is repeated only in a segment that began after the person's decision.
- On failure: a process that dies in the repeated call leaves it unknown again, and a person is
  asked once more.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from agents import FunctionTool, RunContextWrapper, RunState
from agents.util._approvals import evaluate_needs_approval_setting

from timestep.durable.journal import Journal, Step, tool_key
from timestep.durable.loop import current_loop
from timestep.durable.registry import reachable
from timestep.durable.tools import when_unknown
from timestep.run_state.approvals import take_back_approval

if TYPE_CHECKING:
    from timestep.durable.execution import Execution

OUTCOME_UNKNOWN = (
    "The outcome of this call is unknown: the process that made it ended while the call was"
    " running. It was not repeated. Find out whether it took effect before you try again."
)
REASON = "outcome_unknown"  # approvals.reason


def begun_calls(journal: Journal) -> dict[str, Step]:
    """Return the calls that were begun and have not ended, by key."""
    return {
        key: step
        for key, step in journal.rows.items()
        if step.kind == "tool" and step.status == "started"
    }


def asking(tool: FunctionTool, begun: Iterable[str]) -> Callable[..., Any]:
    """Return the tool's condition for an approval, which calls that were begun always meet."""
    keys = frozenset(begun)

    async def needs_approval(
        context: RunContextWrapper[Any], arguments: dict[str, Any], call_id: str
    ) -> bool:
        loop = current_loop.get()
        if loop is not None and tool_key(loop.path, call_id) in keys:
            return True
        return await evaluate_needs_approval_setting(
            tool.needs_approval, context, arguments, call_id
        )

    return needs_approval


def may_repeat(execution: "Execution", step: Step) -> bool:
    """Return whether a person has allowed to make a call of unknown outcome again."""
    decision = execution.decisions.get(step.call_id or "")
    return (
        decision is not None
        and decision.tool == step.name
        and decision.reason == REASON
        and step.segment < execution.segment
    )


def leave_undecided(execution: "Execution", state: RunState[Any, Any]) -> None:
    """Take out of a state what was decided on calls before their outcome became unknown.

    The SDK would make an approved call without asking anybody.
    """
    for step in begun_calls(execution.journal).values():
        if _asks(execution, step) and not may_repeat(execution, step):
            take_back_approval(state, call_id=step.call_id, tool=step.name)


async def close_rejected(execution: "Execution", call_id: str | None, message: str) -> None:
    """Note what the model is told about a call of unknown outcome that is not made again."""
    for step in begun_calls(execution.journal).values():
        if step.call_id == call_id:
            execution.journal.close_unknown(step, message)
    await execution.journal.settled()


def _asks(execution: "Execution", step: Step) -> bool:
    return any(
        tool.name == step.name and isinstance(tool, FunctionTool) and when_unknown(tool) == "ask"
        for agent in reachable(execution.agent)
        if agent.name == step.agent
        for tool in agent.tools
    )
