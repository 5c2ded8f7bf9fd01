"""Where an execution of a run begins: its input, a saved state, or what the journal tells."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from agents import RunConfig, RunState, TResponseInputItem, UserError

from timestep import documents
from timestep.durable.boundary import last_boundary
from timestep.durable.recorded_agent import RecordedAgents
from timestep.durable.unknown_outcome import (
    OUTCOME_UNKNOWN,
    REASON,
    begun_calls,
    close_rejected,
    leave_undecided,
)
from timestep.errors import ApprovalConflictError
from timestep.run_state.approvals import PendingApproval, pending_approvals
from timestep.run_state.store import RunStateStore

if TYPE_CHECKING:
    from timestep.durable.execution import Execution

# What of a run's row tells where it begins. It is settled before the segment can be claimed.
BEGINNING = (
    "r.input, r.session_id, r.options, r.segment, r.state_session_id, r.state_version,"
    " r.session_items"
)

# In what of the row's options the SDK is told by itself; a state knows them already.
_SDK_OPTIONS = ("max_turns", "context", "conversation_id", "previous_response_id")


@dataclass(frozen=True)
class Decision:
    """What was decided on one call."""

    tool: str
    arguments_sha256: str
    arguments_used: str | None
    reason: str | None = None


@dataclass(kw_only=True)
class Beginning:
    """What the SDK's runner is given."""

    run_input: str | list[TResponseInputItem] | RunState[Any, Any]
    session_id: str | None
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    added: int = 0


async def segment_start(
    execution: "Execution",
    run: dict[str, Any],
    session: Callable[[str | None], Any],
    config: RunConfig,
) -> Beginning:
    """Return where this execution of the run begins.

    Args:
        execution: The execution.
        run: Of the run's row what BEGINNING names.
        session: Makes the run's session, given its id.
        config: How the loop is run.
    """
    journal = execution.journal
    if journal.epoch > 1:
        await journal.read()
        if begun := begun_calls(journal):
            execution.agents = RecordedAgents(begun)
    if run["segment"] > 0:
        return await _after_pause(execution, run)
    options = cast("dict[str, Any]", documents.load(run["options"]))
    beginning = Beginning(
        run_input=cast("Any", documents.load(run["input"])),
        session_id=run["session_id"],
        options={name: options[name] for name in _SDK_OPTIONS if name in options},
    )
    found = await last_boundary(execution, beginning, session(run["session_id"]), config)
    return found or beginning


async def _after_pause(execution: "Execution", run: dict[str, Any]) -> Beginning:
    agent = execution.agents.of(execution.agent)
    async with RunStateStore(agent, run["state_session_id"]) as store:
        state = await store.load(version=run["state_version"], context=_context(execution))
    await _decide(execution, state, run)
    leave_undecided(execution, state)
    return Beginning(run_input=state, session_id=run["session_id"], added=run["session_items"])


def _context(execution: "Execution") -> Any:
    return execution.live.context if execution.live else None


async def _decide(execution: "Execution", state: RunState[Any, Any], run: dict[str, Any]) -> None:
    execution.decisions = await decisions_of(execution)
    rows = await execution.journal.database.fetch(
        "select status, message, always, reason from timestep.approvals"
        " where session_id = %s and version = %s order by position",
        run["state_session_id"],
        run["state_version"],
        repeatable=True,
    )
    approvals = pending_approvals(state)
    _refuse_shared_ids(approvals)
    decided = zip(state.get_interruptions(), approvals, rows, strict=True)
    for item, known, row in list(decided):
        if row["reason"] == REASON and row["status"] in ("rejected", "expired"):
            # that it expired, or the SDK's words, would read as if the tool had never been called
            message = row["message"] if row["status"] == "rejected" else None
            row["message"] = message or OUTCOME_UNKNOWN
            await close_rejected(execution, known.call_id, row["message"])
        elif known.decision is not None:
            continue
        if row["status"] == "approved":
            state.approve(item, always_approve=row["always"])
        elif row["status"] in ("rejected", "expired"):
            state.reject(item, always_reject=row["always"], rejection_message=row["message"])
        else:
            raise _undecided(execution, known)


def _refuse_shared_ids(approvals: list[PendingApproval]) -> None:
    """Refuse to resume where two nested runs wait under one id.

    An approval of one call would be the other's too.
    """
    ids = [approval.call_id for approval in approvals if approval.call_id is not None]
    shared = next((each for each in ids if ids.count(each) > 1), None)
    if shared is not None:
        raise UserError(
            f"Several calls wait under one id, {shared}, so that approving one would approve the"
            " others. Cancel the run, and start anew with a model that gives every call an id of"
            " its own."
        )


async def decisions_of(execution: "Execution") -> dict[str, Decision]:
    """Return what was approved in this run, by call id."""
    rows = await execution.journal.database.fetch(
        "select distinct on (call_id) call_id, tool, arguments_sha256, arguments_used, reason,"
        " status from timestep.approvals where run_id = %s and call_id is not null"
        " and status <> 'superseded' order by call_id, created_at desc, version desc",
        execution.journal.run_id,
        repeatable=True,
    )
    return {
        row["call_id"]: Decision(
            row["tool"], row["arguments_sha256"], row["arguments_used"], row["reason"]
        )
        for row in rows
        if row["status"] == "approved"
    }


def _undecided(execution: "Execution", approval: PendingApproval) -> ApprovalConflictError:
    return ApprovalConflictError(
        f"Run {execution.journal.run_id} was resumed, but nothing is decided on the call"
        f" {approval.call_id} of {approval.tool}."
    )
