"""Ending durable runs, and removing those that have ended."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from timestep import documents
from timestep.database import Database, open_database
from timestep.durable.process import current_process
from timestep.errors import ConfigurationError


async def cancel_run(run_id: str, *, reason: str = "cancelled by its user") -> bool:
    """End a run that has not ended; what it still does is not recorded.

    The process that executes it stops it within a sixth of its lease (5 seconds), or at its next
    step.

    Args:
        run_id: The run.
        reason: Why, for `get_run` ("cancelled by its user").

    Returns:
        True if this call ended the run, False if it had ended before.

    Raises:
        ConfigurationError: There is no such run.
    """
    database = await open_database()
    rows = await database.fetch(
        "select timestep.cancel_run_v1(%s, %s) as before", run_id, documents.without_nul(reason)
    )
    before = rows[0]["before"]
    if before is None:
        raise ConfigurationError(f"There is no run {run_id!r} in {database.location.display}.")
    process = current_process()
    if process and (execution := process.active.get(run_id)):
        execution.stop()
    return before in ("pending", "running", "interrupted")


async def delete_runs(*, older_than: timedelta) -> int:
    """Remove runs that ended longer ago than that, with all that is theirs; return how many.

    Conversations stay: they belong to their sessions.

    Args:
        older_than: How long ago a run must have ended.

    Raises:
        ConfigurationError: The time is negative.
    """
    if older_than < timedelta(0):
        raise ConfigurationError(f"older_than is {older_than}; expected no negative time.")
    database = await open_database()
    before = datetime.now(UTC) - older_than
    removed = 0
    while rows := await database.fetch("select * from timestep.delete_runs_v1(%s, 100)", before):
        removed += len(rows)
        await asyncio.to_thread(_delete_workflows, database, rows)
    return removed


def _delete_workflows(database: Database, runs: list[dict[str, Any]]) -> None:
    """Remove what DBOS keeps of runs: a workflow for each segment and each taking over."""
    from dbos import DBOSClient

    from timestep.durable.configuration import configuration

    configured = configuration()
    client = DBOSClient(system_database_url=configured.system_database_url or database.location.url)
    try:
        for run in runs:
            run_id = run["run_id"]
            client.delete_workflows(
                [
                    run_id,
                    *(f"{run_id}:r{number + 1}" for number in range(run["segment"])),
                    *(f"{run_id}#{number + 1}" for number in range(run["epoch"])),
                ]
            )
    finally:
        client.destroy()
