"""Looking at durable runs, their steps, approvals and schedules; nothing is launched for it."""

import dataclasses
from typing import Any, cast

from timestep.database import open_database
from timestep.durable.records import (
    ApprovalRecord,
    RunRecord,
    ScheduleRecord,
    StepRecord,
    columns,
    record,
)
from timestep.errors import ConfigurationError

_MOST = 2**63 - 1  # a bigint of PostgreSQL
_RUN = columns(RunRecord)
_STEP = columns(StepRecord, instead={"output": "body"})
APPROVAL = columns(ApprovalRecord, instead={"approval_id": "approval_id::text"})
_SCHEDULE = columns(ScheduleRecord)


async def get_run(run_id: str) -> RunRecord | None:
    """Return how a run stands; None if there is none of this id."""
    rows = await (await open_database()).fetch(
        f"select {_RUN} from timestep.runs where run_id = %s",  # noqa: S608 - our own names
        run_id,
        repeatable=True,
    )
    return record(RunRecord, rows[0]) if rows else None


async def list_runs(
    *,
    status: str | None = None,
    agent: str | None = None,
    session_id: str | None = None,
    limit: int = 100,
) -> list[RunRecord]:
    """Return runs, newest first.

    Args:
        status: Only of this status, such as "interrupted" (None: of any).
        agent: Only of the agent of this name (None: of any).
        session_id: Only of this session (None: of any).
        limit: At most so many (100).

    Raises:
        ConfigurationError: The limit is no whole number, or negative.
    """
    _check_limit(limit)
    rows = await (await open_database()).fetch(
        f"select {_RUN} from timestep.runs where status = coalesce(%s, status)"  # noqa: S608 - our own names
        " and agent = coalesce(%s, agent) and (%s::text is null or session_id = %s)"
        " order by created_at desc, run_id limit %s",
        status,
        agent,
        session_id,
        session_id,
        limit,
        repeatable=True,
    )
    return [record(RunRecord, row) for row in rows]


async def list_run_steps(run_id: str) -> list[StepRecord]:
    """Return the model calls and tool calls of a run in the order in which they ended.

    Calls under way that are noted before they are made come last.
    """
    rows = await (await open_database()).fetch(
        f"select {_STEP} from timestep.steps where run_id = %s and kind <> 'session'"  # noqa: S608 - our own names
        " order by finished_at nulls last, key",
        run_id,
        repeatable=True,
    )
    steps = [record(StepRecord, row) for row in rows]
    return [dataclasses.replace(step, output=_told(step)) for step in steps]


def _told(step: StepRecord) -> Any:
    body = cast("dict[str, Any] | None", step.output)
    return body and body["output"]


async def list_approvals(
    *, status: str | None = "pending", run_id: str | None = None, limit: int = 100
) -> list[ApprovalRecord]:
    """Return the calls of durable runs that wait for a decision, oldest first.

    Args:
        status: "pending", "approved", "rejected" or "expired" (None: any) ("pending").
        run_id: Only those of this run (None: of all).
        limit: At most so many (100).

    Raises:
        ConfigurationError: The limit is no whole number, or negative.
    """
    _check_limit(limit)
    rows = await (await open_database()).fetch(
        f"select {APPROVAL} from timestep.approvals where run_id is not null"  # noqa: S608 - our own names
        " and status <> 'superseded' and status = coalesce(%s, status)"
        " and run_id = coalesce(%s, run_id) order by created_at, position limit %s",
        status,
        run_id,
        limit,
        repeatable=True,
    )
    return [record(ApprovalRecord, row) for row in rows]


async def list_schedules() -> list[ScheduleRecord]:
    """Return the schedules of both languages, by name."""
    rows = await (await open_database()).fetch(
        f"select {_SCHEDULE} from timestep.schedules order by name",  # noqa: S608 - our own names
        repeatable=True,
    )
    return [record(ScheduleRecord, row) for row in rows]


def _check_limit(limit: object) -> None:
    if isinstance(limit, int) and not isinstance(limit, bool) and 0 <= limit <= _MOST:
        return
    raise ConfigurationError(f"limit is {limit!r}; expected a whole number, 0 or more.")
