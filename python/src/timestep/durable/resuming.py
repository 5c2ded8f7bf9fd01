"""Paused durable runs that go on."""

import asyncio
from dataclasses import dataclass
from typing import Any

from agents import RunState
from dbos import DBOS, SetWorkflowID

from timestep.database import Database, open_database
from timestep.durable.approvals import NOBODY, next_segment
from timestep.durable.execution import Live, run_agent_body
from timestep.durable.process import Process, current_process
from timestep.durable.registry import registered_names
from timestep.durable.result import WorkflowResult, result_of
from timestep.errors import ApprovalConflictError, ConfigurationError, StateConflictError
from timestep.run_state.store import RunStateStore, SavedVersion, saved_version


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
            Exception: What the run failed with: the same class where it can be told from the
                database, such as `MaxTurnsExceeded`, else `TimestepError` with its name.
        """
        return await result_of(await open_database(), self.run_id, None)


async def resume_run(run_id: str) -> RunHandle:
    """Let a paused run go on, now that everything is decided.

    It goes on in this process if durable runs were launched here and its agent is known,
    otherwise within 5 seconds in any process, of either language, that has its agent. A run that
    goes on already, or has ended, is left as it is.

    Raises:
        ApprovalConflictError: A decision is missing.
        StateConflictError: Its saved state was resumed outside of the run.
        ConfigurationError: There is no such run.
    """
    from timestep.durable.runs import start

    database = await open_database()
    run = await _run(database, run_id)
    owner = _owner(run["agent"])
    segment = await asyncio.to_thread(next_segment, database, run_id, owner)
    if segment is not None and owner != NOBODY:
        await start(run_id, None, segment=segment)
    return RunHandle(run_id)


async def resume_state(process: Process, state: RunState[Any, Any], live: Live) -> WorkflowResult:
    """Let a paused run go on from its state, with the decisions taken on it."""
    from timestep.durable.runs import known, outcome, start

    saved = saved_version(state)
    run = None if saved is None else await _run_of(process.database, saved)
    if saved is None or run is None:
        raise ConfigurationError(
            "This state is not that of a paused durable run. Pass what to_state() of the run's"
            " result gave or what RunStateStore loaded of it; other states go to run_agent()."
        )
    run_id: str = run["run_id"]
    if live.session is not None and live.session.session_id != run["session_id"]:
        raise ConfigurationError(
            f"The run {run_id!r} belongs to another session than {live.session.session_id!r}. Leave"
            " the session out, or pass that of the run."
        )
    await asyncio.to_thread(known, process, live.agent)
    if run["status"] == "interrupted":
        await _note_decisions(process.database, run, state, saved, live)
        segment = await asyncio.to_thread(next_segment, process.database, run_id, process.instance)
        if segment is not None:
            await start(run_id, live, segment=segment)
    return await outcome(process, run_id, live)


def resume_expired(process: Process, run_id: str) -> None:
    """Let a run go on whose approvals have expired, from a thread."""
    rows = process.database.fetch_sync(
        "select agent from timestep.runs where run_id = %s", run_id, repeatable=True
    )
    owner = _owner(rows[0]["agent"])
    segment = next_segment(process.database, run_id, owner)
    if segment is not None and owner != NOBODY:
        with SetWorkflowID(f"{run_id}:r{segment}"):
            DBOS.start_workflow(run_agent_body, {"run_id": run_id, "segment": segment})


def _owner(agent: str) -> str:
    process = current_process()
    return process.instance if process and agent in registered_names() else NOBODY


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
