"""Decisions on the calls that durable runs wait for, and resuming them."""

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

from agents import RunState
from dbos import DBOS, DBOSClient, SetWorkflowID

from timestep import documents
from timestep.database import Database, open_database
from timestep.durable.configuration import configuration
from timestep.durable.dbos_queue import enqueue_options
from timestep.durable.execution import Live, run_agent_body
from timestep.durable.process import Process, current_process
from timestep.durable.registry import registered_names
from timestep.durable.result import WorkflowResult, result_of
from timestep.errors import ApprovalConflictError, ConfigurationError, StateConflictError
from timestep.run_state.store import RunStateStore, SavedVersion, saved_version

_COLUMNS = (
    "a.approval_id::text, a.run_id, a.session_id, a.agent, a.tool, a.call_id, a.arguments,"
    " a.arguments_used, a.status, a.message, a.always, a.decided_by, a.created_at, a.decided_at,"
    " a.expires_at"
)


@dataclass(frozen=True)
class RunHandle:
    """A durable run that is under way somewhere.

    Attributes:
        run_id: The run.
    """

    run_id: str

    async def get_result(self) -> WorkflowResult:
        """Wait until the run has paused or ended, and return what it came to.

        Raises:
            TimestepError: The run failed.
        """
        return await result_of(await open_database(), self.run_id, None)


async def list_approvals(
    *, status: str | None = "pending", run_id: str | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Return the calls of durable runs that wait for a decision, oldest first.

    Args:
        status: "pending", "approved", "rejected" or "expired" (None: any) ("pending").
        run_id: Only those of this run (None: of all).
        limit: At most so many (100).
    """
    return await (await open_database()).fetch(
        f"select {_COLUMNS} from timestep.approvals a where a.run_id is not null"  # noqa: S608 - a constant
        " and a.status <> 'superseded' and a.status = coalesce(%s, a.status)"
        " and a.run_id = coalesce(%s, a.run_id) order by a.created_at, a.position limit %s",
        status,
        run_id,
        limit,
        repeatable=True,
    )


async def decide_approval(
    approval_id: str,
    *,
    approve: bool,
    message: str | None = None,
    arguments: str | dict[str, Any] | None = None,
    always: bool = False,
    decided_by: str | None = None,
) -> dict[str, Any]:
    """Approve or reject a call that a run waits for; return the approval.

    Of several decisions the first one counts. The run goes on when `resume_run` is called.

    Args:
        approval_id: From `list_approvals`.
        approve: True lets the tool be called.
        message: What the model is told after a rejection (None: the SDK's words).
        arguments: What the tool is called with in place of the model's arguments, as JSON text
            or a mapping; only with `approve` (None: the model's).
        always: The decision counts for further calls of this tool in this run, too (False).
        decided_by: Who decides, for the record (None).

    Raises:
        ApprovalConflictError: It was decided otherwise before, or has expired.
        ConfigurationError: There is no such approval, or the arguments are no JSON object.
    """
    edited = None if arguments is None else _edited(arguments, approve=approve)
    database = await open_database()
    rows = await database.fetch(
        "select * from timestep.decide_approval_v1(%s, %s, %s, %s, %s, %s)",
        _uuid(approval_id),
        "approved" if approve else "rejected",
        message and documents.without_nul(message),
        edited,
        always,
        decided_by and documents.without_nul(decided_by),
    )
    decided = rows[0]
    if decided["outcome"] == "missing":
        raise ConfigurationError(f"There is no approval {approval_id} in this database.")
    if decided["outcome"] not in ("decided", "same"):
        raise _conflict(approval_id, decided)
    found = await database.fetch(
        f"select {_COLUMNS} from timestep.approvals a where a.approval_id = %s",  # noqa: S608 - a constant
        approval_id,
        repeatable=True,
    )
    return found[0]


async def resume_run(run_id: str) -> RunHandle:
    """Let a paused run go on, now that everything is decided.

    It goes on in this process if durable runs were launched here and its agent is known,
    otherwise in a process of the language that ran it last. A run that goes on already, or has
    ended, is left as it is.

    Raises:
        ApprovalConflictError: A decision is missing.
        StateConflictError: Its saved state was resumed outside of the run.
        ConfigurationError: There is no such run.
    """
    process = current_process()
    database = await open_database()
    run = await _run(database, run_id)
    here = process if process and run["agent"] in registered_names() else None
    segment = await asyncio.to_thread(_next_segment, database, run_id, here)
    if segment is not None:
        await _start_segment(database, run, segment, here, None)
    return RunHandle(run_id)


async def resume_state(process: Process, state: RunState[Any, Any], live: Live) -> WorkflowResult:
    """Let a paused run go on from its state, with the decisions taken on it."""
    from timestep.durable.runs import known, outcome

    saved = saved_version(state)
    run = None if saved is None else await _run_of(process.database, saved)
    if saved is None or run is None:
        raise ConfigurationError(
            "This state is not that of a paused durable run. Pass what to_state() of the run's"
            " result gave or what RunStateStore loaded of it; other states go to run_agent()."
        )
    await known(process, live.agent)
    run_id: str = run["run_id"]
    if run["status"] == "interrupted":
        await _note_decisions(process.database, run, state, saved, live)
        segment = await asyncio.to_thread(_next_segment, process.database, run_id, process)
        if segment is not None:
            await _start_segment(process.database, run, segment, process, live)
    return await outcome(process, run_id, live)


def resume_here(process: Process, run_id: str) -> None:
    """Let a run go on whose approvals have expired, from a thread."""
    rows = process.database.fetch_sync(
        "select run_id, agent, language from timestep.runs where run_id = %s", run_id
    )
    here = process if rows[0]["agent"] in registered_names() else None
    segment = _next_segment(process.database, run_id, here)
    if segment is None:
        return
    if here is None:
        _enqueue(process.database, rows[0], segment)
        return
    with SetWorkflowID(f"{run_id}:r{segment}"):
        DBOS.start_workflow(run_agent_body, {"run_id": run_id, "segment": segment})


def _next_segment(database: Database, run_id: str, process: Process | None) -> int | None:
    """Begin the next segment and return it; None if the run goes on already or has ended."""
    rows = database.fetch_sync(
        "select * from timestep.resume_run_v1(%s, %s)",
        run_id,
        process.instance if process else None,
    )
    resumed = rows[0]
    match resumed["reason"]:
        case "undecided":
            raise ApprovalConflictError(
                f"Run {run_id} cannot go on: {resumed['pending']} of its calls wait for a"
                " decision. list_approvals(run_id=…) names them."
            )
        case "taken":
            raise StateConflictError(
                f"Run {run_id} cannot go on: its saved state was resumed outside of the run, by"
                " run_agent() or RunStateStore. Cancel the run."
            )
        case "missing":
            raise ConfigurationError(f"There is no run {run_id!r} in this database.")
        case _:
            return resumed["segment"] if resumed["resumed"] else None


async def _start_segment(
    database: Database,
    run: dict[str, Any],
    segment: int,
    process: Process | None,
    live: Live | None,
) -> None:
    if process is None:
        await asyncio.to_thread(_enqueue, database, run, segment)
        return
    from timestep.durable.runs import start

    await start(run["run_id"], live, segment=segment)


def _enqueue(database: Database, run: dict[str, Any], segment: int) -> None:
    """Leave the segment to a process of the language that ran the run last."""
    configured = configuration()
    options = enqueue_options(
        configured,
        run_id=f"{run['run_id']}:r{segment}",
        queue_name=None,
        language=run["language"],
    )
    client = DBOSClient(system_database_url=configured.system_database_url or database.location.url)
    try:
        client.enqueue(options, {"run_id": run["run_id"], "segment": segment})
    finally:
        client.destroy()


async def _note_decisions(
    database: Database,
    run: dict[str, Any],
    state: RunState[Any, Any],
    saved: SavedVersion,
    live: Live,
) -> None:
    """Save the decisions that were taken on a state in memory, if there are any."""
    if (run["state_session_id"], run["state_version"]) != (saved.session_id, saved.version):
        raise StateConflictError(
            f"Run {run['run_id']} has paused again since this state was loaded. Load its newest"
            " state and decide on that."
        )
    async with RunStateStore(live.agent, saved.session_id) as store:
        version = await store.save(state)
    if version == saved.version:
        return
    rows = await database.fetch(
        "select timestep.repoint_run_v1(%s, %s, %s, %s) as conflict",
        run["run_id"],
        saved.session_id,
        saved.version,
        version,
    )
    if rows[0]["conflict"] == "decided":
        raise ApprovalConflictError(
            f"Somebody else has decided otherwise on a call of run {run['run_id']};"
            " list_approvals(status=None, run_id=…) tells what."
        )


async def _run(database: Database, run_id: str) -> dict[str, Any]:
    rows = await database.fetch(
        "select * from timestep.runs where run_id = %s", run_id, repeatable=True
    )
    if not rows:
        raise ConfigurationError(f"There is no run {run_id!r} in {database.location.display}.")
    return rows[0]


async def _run_of(database: Database, saved: SavedVersion) -> dict[str, Any] | None:
    rows = await database.fetch(
        "select r.* from timestep.run_states v join timestep.runs r on r.run_id = v.run_id"
        " where v.session_id = %s and v.version = %s",
        saved.session_id,
        saved.version,
        repeatable=True,
    )
    return rows[0] if rows else None


def _edited(arguments: str | dict[str, Any], *, approve: bool) -> str:
    if not approve:
        raise ConfigurationError("arguments are for an approved call; this one is rejected.")
    try:
        value = documents.load(arguments) if isinstance(arguments, str) else arguments
        text = arguments if isinstance(arguments, str) else documents.dump(arguments)
    except ValueError as error:
        raise ConfigurationError(f"arguments are no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ConfigurationError("arguments are no JSON object, which a tool is called with.")
    return documents.without_nul(text)


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is no approval id; list_approvals() has them."
        ) from None


def _conflict(approval_id: str, decided: dict[str, Any]) -> ApprovalConflictError:
    if decided["outcome"] == "expired":
        return ApprovalConflictError(f"The approval {approval_id} has expired: it is a rejection.")
    by = f" by {decided['decided_by']}" if decided["decided_by"] else ""
    return ApprovalConflictError(
        f"The approval {approval_id} is {decided['status']}{by} already; nothing was changed."
    )
