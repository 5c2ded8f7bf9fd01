"""Durable runs that start by the clock, again and again.

- Who decides: a schedule is a row of `timestep.schedules` and a schedule of DBOS in the language
  that wrote the row last; ticks of the other language are ignored.
- What time means: the crontab's time zone; UTC by default. A tick is named by its UTC time.
- On failure: ticks while no process runs are left out. However many processes see a tick, its run
  has one id, so it is one run.
"""

import asyncio
import hashlib
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any, Unpack, cast

from agents import Agent, TResponseInputItem
from dbos import DBOS

from timestep import documents
from timestep.database import open_database
from timestep.durable.configuration import DEFAULT_QUEUE
from timestep.durable.dbos_queue import enqueue_options, register_queue
from timestep.durable.in_thread import in_thread
from timestep.durable.launch import launched
from timestep.durable.process import Process, current_process
from timestep.durable.recorded_agent import RecordedAgents
from timestep.durable.registry import check_agent, describe_agents, register_agent
from timestep.durable.request import DurableOptions, QueuedOptions, check_options, requested
from timestep.durable.runs import CREATE, becomes
from timestep.errors import ConfigurationError
from timestep.session import Session


class ScheduleName(str):
    """The name of a schedule, which may be awaited."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, str]:
        """Return the name at once."""
        return str(self)
        yield


@DBOS.workflow(name="timestep.scheduled_run")
async def scheduled_run(scheduled_at: datetime, context: Any) -> None:
    """Put the run of one tick in its queue."""
    process = current_process()
    if process is not None:
        await asyncio.to_thread(_tick, process, scheduled_at, context["schedule"])


def create_scheduled_agent_workflow(
    crontab: str,
    agent: Agent[Any],
    input_items: str | list[TResponseInputItem],
    session: Session | None = None,
    *,
    name: str | None = None,
    timezone: str | None = None,
    queue_name: str | None = None,
    **options: Unpack[QueuedOptions],
) -> "ScheduleName":
    """Run the agent by the clock from now on; may be awaited. Returns the schedule's name.

    It is kept in the database: it goes on after a restart as soon as a process is there again. A
    schedule of the same name is replaced. A new one is noticed within 5 seconds.

    Args:
        crontab: Minute, hour, day of month, month, day of week; a field before them counts
            seconds: "0 9 * * 1-5" is nine o'clock on workdays.
        agent: The agent to start with.
        input_items: A text or Responses API items.
        session: The conversation of every run; one that was made without an id becomes that of
            a schedule that is there (None: no history).
        name: The schedule's name (None: made of the agent's name and all that is given here).
        timezone: Such as "Europe/Berlin" (None: UTC).
        queue_name: The queue that the runs wait in (None: "agents").
        **options: As for `queue_agent_workflow`.

    Raises:
        ConfigurationError: The crontab or the time zone cannot be used.
        NotDurableError: Something about the runs cannot be recorded.
    """
    check_agent(agent)
    check_options(options, QueuedOptions)
    RecordedAgents().of(agent)
    process = launched().process
    request = requested(
        agent, input_items, session, workflow_id=None, timeout_seconds=None,
        options=DurableOptions(**options),
    )  # fmt: skip
    chosen = name or _derived_name(crontab, agent, session, request.input, timezone)
    register_agent(agent)

    def create() -> None:
        describe_agents(process.database, agent)
        register_queue(process.configuration, queue_name)
        _apply(process, chosen, crontab, timezone)
        _keep_session(process, chosen, session)
        process.database.fetch_sync(
            "insert into timestep.schedules (name, language, crontab, timezone, agent, session_id,"
            " input, options, queue_name) values (%s, 'python', %s, %s, %s, %s, %s, %s, %s)"
            " on conflict (name) do update set language = excluded.language, crontab ="
            " excluded.crontab, timezone = excluded.timezone, agent = excluded.agent, session_id ="
            " excluded.session_id, input = excluded.input, options = excluded.options,"
            " queue_name = excluded.queue_name, updated_at = now()",
            chosen,
            crontab,
            timezone,
            documents.without_nul(agent.name),
            session and session.session_id,
            request.input,
            request.options,
            queue_name or DEFAULT_QUEUE,
            repeatable=True,
        )

    in_thread(create)
    return ScheduleName(chosen)


async def delete_schedule(name: str) -> bool:
    """End a schedule; runs that it started go on. False if there is none of that name."""
    database = await open_database()
    rows = await database.fetch(
        "delete from timestep.schedules where name = %s returning name", name
    )
    if (process := current_process()) is not None:
        await DBOS.delete_schedule_async(_dbos_name(process, name))
    return bool(rows)


def _apply(process: Process, name: str, crontab: str, timezone: str | None) -> None:
    from dbos._error import DBOSException

    try:
        DBOS.apply_schedules(
            [
                {
                    "schedule_name": _dbos_name(process, name),
                    "workflow_fn": cast("Any", scheduled_run),
                    "schedule": crontab,
                    "context": {"schedule": name},
                    "cron_timezone": timezone or "UTC",
                }
            ]
        )
    except DBOSException as error:
        raise ConfigurationError(f"The schedule {name!r} cannot be used: {error}") from error


def _keep_session(process: Process, name: str, session: Session | None) -> None:
    """Make a session that is new that of the schedule, if it is there with one."""
    rows = process.database.fetch_sync(
        "select session_id from timestep.schedules where name = %s and session_id is not null",
        name,
        repeatable=True,
    )
    if rows:
        becomes(session, rows[0]["session_id"])


def _tick(process: Process, scheduled_at: datetime, name: str) -> None:
    rows = process.database.fetch_sync(
        "select * from timestep.schedules where name = %s and language = 'python'", name
    )
    if not rows:
        return  # deleted, or of the other language now
    schedule = rows[0]
    at = scheduled_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    run_id = f"{name}@{at}"
    process.database.fetch_sync(
        CREATE,
        run_id,
        schedule["agent"],
        schedule["session_id"],
        "python",
        process.instance,
        schedule["input"],
        hashlib.sha256(schedule["input"].encode()).hexdigest(),
        schedule["options"],
        schedule["queue_name"],
        name,
        None,
    )
    options = enqueue_options(
        process.configuration, run_id=run_id, queue_name=schedule["queue_name"], language="python"
    )
    DBOS.enqueue_workflow_with_options(options, {"run_id": run_id, "segment": 0})
    process.database.fetch_sync("select timestep.mark_enqueued_v1(%s)", run_id, repeatable=True)


def _dbos_name(process: Process, name: str) -> str:
    return f"{process.configuration.application}.{name}"


def _derived_name(
    crontab: str, agent: Agent[Any], session: Session | None, run_input: str, timezone: str | None
) -> str:
    """Return a name that is the same when the program starts again."""
    session_id = None
    if session is not None and session._was_named:  # noqa: SLF001 - the same package  # pyright: ignore[reportPrivateUsage]
        session_id = session.session_id
    given = [crontab, agent.name, session_id, run_input, timezone]
    return f"{agent.name}-{hashlib.sha256(documents.dump(given).encode()).hexdigest()[:12]}"
