"""One execution of a durable run: from the claim to the end, the pause, or the loss of the run."""

import asyncio
import dataclasses
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from agents import (
    Agent,
    ModelProvider,
    MultiProvider,
    RunConfig,
    RunHooks,
    Runner,
    RunResult,
    RunResultStreaming,
    RunState,
)
from agents.memory import Session as SessionProtocol
from dbos import DBOS, WorkflowSerializationFormat

from timestep import documents
from timestep.durable.beginning import BEGINNING, Beginning, Decision, segment_start
from timestep.durable.journal import Journal
from timestep.durable.loop import Frame, Loop, current_frame
from timestep.durable.process import Process, current_process
from timestep.durable.recorded_agent import RecordedAgents
from timestep.durable.registry import agent_when_registered, import_agent
from timestep.durable.stopping import finish, pause
from timestep.errors import (
    AgentMismatchError,
    DatabaseUnavailableError,
    RunOwnershipLostError,
    TimestepError,
)
from timestep.models import MultiModelProvider
from timestep.session import Session

logger = logging.getLogger("timestep")

AGENT_WAIT_SECONDS = 30.0
SDKResult = RunResult | RunResultStreaming


@dataclass(kw_only=True)
class Live:
    """What the caller of a run gave that only this process has."""

    agent: Agent[Any]
    session: SessionProtocol | None = None
    stream: bool = False
    processor: Callable[[Any], Any] | None = None
    model_provider: ModelProvider | None = None
    run_config: RunConfig | None = None
    hooks: RunHooks[Any] | None = None
    context: Any = None
    error_handlers: Any = None
    agents: RecordedAgents = field(default_factory=RecordedAgents)
    segment: int = 0  # which of the run's is executed with it
    claim: dict[str, Any] | None = None  # where the run was claimed as it was made
    outcome: "asyncio.Future[SDKResult | None] | None" = None
    execution: "asyncio.Task[dict[str, Any]] | None" = None
    workflow: "asyncio.Future[None] | None" = None  # ends when DBOS has noted the end


live_runs: dict[str, Live] = {}


def is_waited_for(run_id: str) -> bool:
    """Return whether an execution of the run was started in this process and has not ended."""
    live = live_runs.get(run_id)
    return live is not None and live.outcome is not None and not live.outcome.done()


@dataclass
class Execution:
    """A run that this process executes."""

    process: Process
    journal: Journal
    segment: int
    agent: Agent[Any]
    agents: RecordedAgents
    live: Live | None
    task: "asyncio.Task[Any]"
    loop: asyncio.AbstractEventLoop
    decisions: dict[str, Decision] = field(default_factory=dict[str, Decision])
    settling: bool = (
        False  # its end is being written: that the run is not ours any more is our doing
    )

    def process_must_be_alive(self) -> None:
        """Raise if another process may have taken the run already."""
        if self.journal.lost or not self.process.is_alive():
            raise self.journal.ownership_lost()

    def stop(self) -> None:
        """Stop from any thread: the run is no longer this process's."""
        self.journal.lost = True
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.task.cancel)


@DBOS.workflow(name="timestep.run_agent", serialization_type=WorkflowSerializationFormat.PORTABLE)
async def run_agent_body(run: dict[str, Any]) -> dict[str, Any]:
    """Execute a run, or wait for the execution that was started with this workflow."""
    live = live_runs.get(run["run_id"])
    # DBOS may not have noted the end of the segment before yet
    if live and live.segment == run.get("segment", 0) and live.execution and "epoch" not in run:
        return await asyncio.shield(live.execution)
    return await execute_run(run, None, workflow_id=str(DBOS.workflow_id))


async def execute_run(
    run: dict[str, Any], live: Live | None, *, workflow_id: str
) -> dict[str, Any]:
    """Execute a run, unless somebody else does or it has ended."""
    process = current_process()
    if process is None:
        raise TimestepError("DBOS was launched without ensure_dbos_launched().")
    try:
        status = await _execute(process, run, live, workflow_id)
    except RunOwnershipLostError as error:
        logger.info("%s", error)
        status = "elsewhere"
    finally:
        tell(live, None)
    return {"run_id": run["run_id"], "status": status}


async def _execute(
    process: Process, run: dict[str, Any], live: Live | None, workflow_id: str
) -> str:
    run_id: str = run["run_id"]
    if not process.reserve(run_id):
        return "elsewhere"
    try:
        return await _execute_reserved(process, run, live, workflow_id)
    finally:
        process.let_go(run_id)


async def _execute_reserved(
    process: Process, run: dict[str, Any], live: Live | None, workflow_id: str
) -> str:
    run_id: str = run["run_id"]
    agent = live.agent if live else await _agent_of(process, run_id)
    if agent is None:
        await _leave_to_others(process, run_id)
        return "elsewhere"
    claim = (live and live.claim) or await _claim(process, run, workflow_id)
    if not claim["claimed"]:
        logger.info("run %s is not executed here: %s", run_id, claim["reason"])
        return str(claim["reason"])
    execution = Execution(
        process=process,
        journal=Journal(process.database, run_id, claim["epoch"], process.writer),
        segment=run.get("segment", 0),
        agent=agent,
        agents=live.agents if live else RecordedAgents(),
        live=live,
        task=cast("asyncio.Task[Any]", asyncio.current_task()),
        loop=asyncio.get_running_loop(),
    )
    process.active[run_id] = execution
    try:
        return await _to_its_end(execution, claim)
    finally:
        process.active.pop(run_id, None)


async def _claim(process: Process, run: dict[str, Any], workflow_id: str) -> dict[str, Any]:
    """Become the executor of a run, or learn why not; with what the run begins from."""
    segment = run.get("segment", 0)
    rows = await process.database.fetch(
        f"select c.*, {BEGINNING} from timestep.claim_run_v1(%s, %s, 'python', %s, %s, %s) c"  # noqa: S608 - a constant
        " left join timestep.runs r on r.run_id = %s",
        run["run_id"],
        process.instance,
        segment,
        run.get("epoch"),
        workflow_id,
        run["run_id"],
    )
    return rows[0]


async def _to_its_end(execution: Execution, claim: dict[str, Any]) -> str:
    journal = execution.journal
    deadline = asyncio.timeout(claim["deadline_seconds"])
    try:
        async with deadline:
            result = await _run(execution, claim)
    except asyncio.CancelledError:
        if journal.lost:
            cast("asyncio.Task[Any]", asyncio.current_task()).uncancel()
            raise journal.ownership_lost() from None
        await _release(journal)
        raise
    except Exception as error:
        if journal.lost or isinstance(error, DatabaseUnavailableError):
            # the SDK wraps what a tool raises: what counts is that nothing more may be done here,
            # or that it cannot be written now; the run goes on when the database is back
            raise journal.ownership_lost() from error
        return await _failed(execution, journal.refusal or _reason(error, deadline))
    if journal.lost:
        raise journal.ownership_lost()
    await journal.settled()
    if journal.refusal:  # a tool made a text of it
        return await _failed(execution, journal.refusal)
    execution.settling = True
    if result.interruptions:
        await pause(execution, result)
        status = "interrupted"
    else:
        await finish(execution, "completed", result=result)
        status = "completed"
    tell(execution.live, result)
    return status


def _reason(error: Exception, deadline: asyncio.Timeout) -> Exception:
    """Return what ended a run: our own errors come out of the SDK wrapped as errors of a tool."""
    if isinstance(error, TimeoutError) and deadline.expired():
        return TimeoutError("The run took longer than its time limit.")
    return error.__cause__ if isinstance(error.__cause__, TimestepError) else error


async def _run(execution: Execution, row: dict[str, Any]) -> SDKResult:
    live, configured = execution.live, execution.process.configuration
    config = with_provider(
        live.run_config if live else configured.run_config,
        live.model_provider if live else configured.model_provider,
    )

    def session(session_id: str | None) -> SessionProtocol | None:
        if live is not None and live.session is not None:
            return live.session
        return None if session_id is None else cast("SessionProtocol", Session(session_id))

    beginning = await segment_start(execution, row, session, config)
    options: dict[str, Any] = {
        **beginning.options,
        "run_config": config,
        "hooks": live.hooks if live else configured.hooks,
        "session": session(beginning.session_id),
        "error_handlers": live.error_handlers if live else None,
    }
    if live is not None and live.context is not None:
        options["context"] = live.context
    token = current_frame.set(_outermost(execution, beginning))
    try:
        if live is None or not live.stream:
            return await Runner.run(execution.agent, beginning.run_input, **options)
        result = Runner.run_streamed(execution.agent, beginning.run_input, **options)
    finally:
        current_frame.reset(token)
    await _consume(result, live)
    return result


async def _consume(result: RunResultStreaming, live: Live) -> None:
    try:
        processed = live.processor(result) if live.processor else None
        if processed is not None and hasattr(processed, "__await__"):
            await processed
        async for _ in result.stream_events():
            pass
    except BaseException:
        result.cancel()
        raise


class _Outermost(Frame):
    """The place where a run's outermost loop begins, at the start of a segment."""

    beginning: Beginning

    def begin_loop(self) -> Loop:
        loop = super().begin_loop()
        loop.added = self.beginning.added
        return loop


def _outermost(execution: Execution, beginning: Beginning) -> Frame:
    frame = _Outermost(execution, "")
    frame.beginning = beginning
    return frame


def with_provider(
    config: RunConfig | dict[str, Any] | None, provider: ModelProvider | None
) -> RunConfig:
    """Return the run config with the given provider, or Timestep's where it has the SDK's own."""
    found = RunConfig(**config) if isinstance(config, dict) else config or RunConfig()
    if provider is None and type(found.model_provider) is MultiProvider:
        provider = MultiModelProvider()
    return found if provider is None else dataclasses.replace(found, model_provider=provider)


async def _agent_of(process: Process, run_id: str) -> Agent[Any] | None:
    rows = await process.database.fetch(
        "select r.agent, a.module from timestep.runs r left join timestep.agents a"
        " on a.name = r.agent and a.language = 'python' where r.run_id = %s",
        run_id,
        repeatable=True,
    )
    if not rows:
        return None
    name = rows[0]["agent"]
    await asyncio.to_thread(import_agent, name, rows[0]["module"])
    try:
        return await agent_when_registered(name, seconds=AGENT_WAIT_SECONDS)
    except AgentMismatchError as error:
        logger.warning("run %s waits for a process that has its agent: %s", run_id, error)
        return None


async def _leave_to_others(process: Process, run_id: str) -> None:
    rows = await process.database.fetch(
        "select epoch from timestep.runs where run_id = %s and status in ('pending', 'running')"
        " and (owner is null or owner = %s)",
        run_id,
        process.instance,
        repeatable=True,
    )
    if rows:
        await _release(Journal(process.database, run_id, rows[0]["epoch"], process.writer))


async def _release(journal: Journal) -> None:
    """Leave the run to whoever takes it: its event loop ends, or its agent is not here."""

    async def release() -> None:
        await journal.quiet()
        await journal.database.fetch(
            "select timestep.release_run_v1(%s, %s)",
            journal.run_id,
            journal.epoch,
            repeatable=True,
        )

    try:
        await asyncio.shield(release())
    except Exception:
        logger.exception(
            "run %s could not be released; its lease runs out by itself", journal.run_id
        )


async def _failed(execution: Execution, error: BaseException) -> str:
    await execution.journal.quiet()
    execution.settling = True
    await finish(execution, "failed", error=error)
    live = execution.live
    if live and live.outcome and not live.outcome.done():
        live.outcome.set_exception(error)
    return "failed"


def tell(live: Live | None, result: SDKResult | None) -> None:
    """Tell the caller of a run how its execution here ended; None: look at the database."""
    if live and live.outcome and not live.outcome.done():
        live.outcome.set_result(result)


def state_of(result: SDKResult) -> RunState[Any, Any]:
    """Return the state in which a run stopped."""
    return cast("RunState[Any, Any]", result.to_state())


def as_json(value: Any) -> str:
    """Return a final output as JSON text."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    try:
        return documents.dump(value)
    except ValueError:
        return documents.dump(str(value))
