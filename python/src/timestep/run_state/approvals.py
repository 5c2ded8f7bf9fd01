"""Decisions on tool calls: what waits for one, and those that were made."""

# The SDK has no public way to the agents and decisions of a state.
# pyright: reportPrivateUsage=false

from dataclasses import dataclass
from typing import Any, Literal, cast

from agents import RunContextWrapper, RunState, UserError
from agents.agent_tool_state import peek_agent_tool_run_result
from agents.items import ToolApprovalItem

from timestep.run_state.record import Wire
from timestep.run_state.text import encode

Kind = Literal["function", "hosted_mcp", "other"]
Decision = Literal["approved", "rejected"]


@dataclass(frozen=True)
class PendingApproval:
    """A call that waits, or waited, for a decision.

    Attributes:
        kind: What is called: a function tool, a hosted MCP server, or something else.
        agent: The agent that calls.
        tool: The tool's name.
        call_id: The call's id (None: the model gave none).
        arguments: The arguments as the model wrote them.
        decision: What was decided (None: nothing yet).
        message: What the model is told after a rejection (None: the SDK's words).
    """

    kind: Kind
    agent: str
    tool: str
    call_id: str | None
    arguments: str
    decision: Decision | None = None
    message: str | None = None


def pending_approvals(state: RunState[Any, Any]) -> list[PendingApproval]:
    """Return the calls that the run waits for, those of agents as tools included.

    Of calls that the SDK cannot tell apart it takes no decision; they are undecided.
    """
    items = state.get_interruptions()
    if _is_undecided(state):
        return [_pending_approval(item, None, None) for item in items]
    return [_pending_approval(item, *_decision_on(state, item)) for item in items]


def take_back_approval(state: RunState[Any, Any], *, call_id: str | None, tool: str) -> None:
    """Leave a call undecided that was approved.

    Where every call of the tool was approved, the others that wait stay so, later ones do not.
    """
    for context, waiting in _deciding(state):
        for key, record in context._approvals.items():
            if isinstance(record.approved, list):
                record.approved = [each for each in record.approved if each != call_id]
            elif record.approved and getattr(key, "tool_key", key) == tool:
                record.approved = [each for each in waiting.get(tool, []) if each != call_id]


def _deciding(
    state: RunState[Any, Any],
) -> list[tuple[RunContextWrapper[Any], dict[str, list[str]]]]:
    """Return where the run and each nested one keep decisions, and what waits there, by tool."""
    owners: list[tuple[RunState[Any, Any], ToolApprovalItem | None]] = [(state, None)]
    for item in state.get_interruptions():
        nested = state._find_nested_approval_state(item)
        owners.append((nested[0] if nested else state, item))
    found: dict[int, tuple[RunContextWrapper[Any], dict[str, list[str]]]] = {}
    for owner, item in owners:
        if owner._context is None:
            continue
        waiting = found.setdefault(id(owner._context), (owner._context, {}))[1]
        if item is not None:
            waiting.setdefault(item.tool_name or "", []).append(call_id_of(raw_of(item)) or "")
    return list(found.values())


def _is_undecided(state: RunState[Any, Any]) -> bool:
    """Return whether nobody has decided anything; asking the SDK about each call takes long."""
    processed = state._last_processed_response
    scope = state._agent_tool_state_scope_id
    nested = (
        peek_agent_tool_run_result(function.tool_call, scope_id=scope)
        for function in (processed.functions if processed else [])
    )
    decided = state._context is not None and state._context._approvals
    return not decided and all(run is None for run in nested)


def _pending_approval(
    item: ToolApprovalItem, decision: Decision | None, message: str | None
) -> PendingApproval:
    raw = raw_of(item)
    return PendingApproval(
        kind=_kind(raw),
        agent=item.agent.name,
        tool=item.tool_name or str(raw.get("name") or raw.get("type")),
        call_id=call_id_of(raw),
        arguments=_arguments(raw),
        decision=decision,
        message=message,
    )


def raw_of(item: ToolApprovalItem) -> Wire:
    """Return the call of an approval item as a wire item."""
    raw: Any = item.raw_item
    return cast("Wire", raw if isinstance(raw, dict) else raw.model_dump(exclude_unset=True))


def call_id_of(raw: Wire) -> str | None:
    """Return the id under which a call is decided on."""
    if raw.get("type") == "mcp_approval_request":
        return raw.get("id")
    return raw.get("call_id") or raw.get("id")


def _kind(raw: Wire) -> Kind:
    kinds: dict[str, Kind] = {
        "function_call": "function",
        "mcp_approval_request": "hosted_mcp",
    }
    return kinds.get(str(raw.get("type")), "other")


def _arguments(raw: Wire) -> str:
    arguments = raw.get("arguments", raw.get("input"))
    if isinstance(arguments, str):
        return arguments
    return encode({k: v for k, v in raw.items() if k in ("action", "operation", "operations")})


def _decision_on(
    state: RunState[Any, Any], item: ToolApprovalItem
) -> tuple[Decision | None, str | None]:
    raw = raw_of(item)
    call_id = call_id_of(raw)
    try:
        nested = state._find_nested_approval_state(item)
    except UserError:  # the same call in two runs: the SDK refuses to decide on it
        return None, None
    owner, owned = nested or (state, item)
    context = owner._context
    if context is None or call_id is None:
        return None, None
    name = owned.tool_name or str(raw.get("name"))
    named = {
        "tool_namespace": owned.tool_namespace,
        "tool_lookup_key": owned.tool_lookup_key,
        "existing_pending": owned,
    }
    approved = context.get_approval_status(name, call_id, **cast("Any", named))
    if approved is None or approved:
        return ("approved" if approved else None), None
    return "rejected", context.get_rejection_message(name, call_id, **cast("Any", named))
