"""Durable runs, for their users: start one and wait for what it comes to."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Unpack, cast

from agents import Agent, ModelProvider, RunConfig, RunState
from agents.memory import Session as SessionProtocol
from dbos import DBOS, SetWorkflowID

from timestep import documents
from timestep.durable.execution import Live, execute_run, live_runs, run_agent_body
from timestep.durable.launch import launched
from timestep.durable.process import Process
from timestep.durable.recorded_agent import RecordedAgents
from timestep.durable.registry import check_agent, describe_agents, register_agent
from timestep.durable.request import DurableOptions, Request, check_options, requested
from timestep.durable.result import WorkflowResult, result_of
from timestep.durable.sql import calling
from timestep.errors import ConfigurationError, NotDurableError
from timestep.runner import RunInput, default_result_processor
from timestep.session import Session

logger = logging.getLogger("timestep")

CREATE = calling("create_run_v1", 11)
# a run that is there is not claimed: it may be executed already
_CREATE_CLAIMED = (
    f"select c.created, c.conflict, k.* from ({CREATE}) c cross join lateral"  # noqa: S608 - a constant
    " timestep.claim_run_v1(case when c.created then %s end, %s, 'python', 0, null, %s) k"
)


async def run_agent_workflow(
    agent: Agent[Any],
    input_items: RunInput,
    session: SessionProtocol | None = None,
    stream: bool = False,
    result_processor: Callable[[Any], Any] | None = default_result_processor,
    model_provider: ModelProvider | None = None,
    *,
    workflow_id: str | None = None,
    timeout_seconds: float | None = None,
    **options: Unpack[DurableOptions],
) -> WorkflowResult:
    """Run the agent so that the run outlives this process, and return what it comes to.

    Every answer of a model and every result of a tool is recorded when it is there. If the process
    dies, another one that has the agent, in either language, goes on from the record.

    Args:
        agent: The agent to start with.
        input_items: A text, Responses API items, or the state of a paused durable run, which
            goes on then.
        session: Where history is read from and added to (None: no history; with a state, the
            session of the run).
        stream: Whether models answer as a stream (False).
        result_processor: Given the SDK's streamed result, in this process only; it may consume
            the events (`default_result_processor`).
        model_provider: As for `run_agent` (None).
        workflow_id: The name of the run: the same one is the same run, wherever it was started;
            a session that was made without an id becomes the run's (None: a new random one).
        timeout_seconds: For how long it may run; pauses do not count (None: no limit).
        **options: `context`, `max_turns`, `hooks`, `run_config`, `error_handlers`,
            `previous_response_id`, `conversation_id`, `approval_seconds`.

    Raises:
        NotDurableError: Something about the run cannot be recorded; it was not started.
        ConfigurationError: A value cannot be used, or a run of this id has another input, agent
            or session.
        Exception: What ended the run, unchanged. If it failed before or in another process, an
            error of the same class and message where that can be told from the database
            (`MaxTurnsExceeded`, `ModelBehaviorError`, `UserError`, tripwires of guardrails,
            Timestep's own), else `TimestepError` with the name of the class.
    """
    process = launched().process
    live = _live(agent, session, stream, result_processor, model_provider, options)
    if isinstance(input_items, RunState):
        from timestep.durable.resuming import resume_state

        return await resume_state(process, input_items, live)
    request = requested(
        agent, input_items, session, workflow_id=workflow_id, timeout_seconds=timeout_seconds,
        options=options,
    )  # fmt: skip
    if await asyncio.to_thread(_make, process, request, live):
        await start(request.run_id, live, segment=0)
    return await outcome(process, request.run_id, live)


def _live(
    agent: Agent[Any],
    session: SessionProtocol | None,
    stream: bool,
    processor: Callable[[Any], Any] | None,
    provider: ModelProvider | None,
    options: DurableOptions,
) -> Live:
    check_agent(agent)
    check_options(options, DurableOptions)
    agents = RecordedAgents()
    agents.of(agent)  # refuses what cannot be recorded before anything is started
    if session is not None and not isinstance(session, Session):
        raise NotDurableError(
            f"The session is a {type(session).__name__}, which another process that goes on with"
            " the run would not have: use timestep.Session."
        )
    config = options.get("run_config")
    return Live(
        agent=agent,
        session=session,
        stream=stream,
        processor=processor,
        model_provider=provider,
        run_config=RunConfig(**config) if isinstance(config, dict) else config,
        hooks=options.get("hooks"),
        context=options.get("context"),
        error_handlers=options.get("error_handlers"),
        agents=agents,
    )


def known(process: Process, agent: Agent[Any]) -> None:
    """Make the agent known to this process and describe it in the database, from a thread."""
    register_agent(agent)
    describe_agents(process.database, agent)


def create(process: Process, request: Request, *, owner: str | None) -> bool:
    """Make the run, from a thread; False if it is there.

    Raises:
        ConfigurationError: The run that is there has another input, agent or session.
    """
    rows = process.database.fetch_sync(CREATE, *_row(request, owner))
    return _is_new(process, request, rows[0])


def _make(process: Process, request: Request, live: Live) -> bool:
    """Make the run as this process's; False if it is there."""
    known(process, request.agent)
    rows = process.database.fetch_sync(
        _CREATE_CLAIMED,
        *_row(request, process.instance),
        request.run_id,
        process.instance,
        request.run_id,
    )
    session_id = request.session and request.session.session_id
    beginning = {"input": request.input, "options": request.options, "session_id": session_id}
    live.claim = {**rows[0], **beginning, "segment": 0}
    return _is_new(process, request, rows[0])


def _row(request: Request, owner: str | None) -> tuple[object, ...]:
    return (
        request.run_id,
        documents.without_nul(request.agent.name),
        request.session and request.session.session_id,
        request.language,
        owner,
        request.input,
        request.input_sha256,
        request.options,
        request.queue_name,
        request.schedule,
        request.timeout_seconds,
    )


def _is_new(process: Process, request: Request, made: dict[str, Any]) -> bool:
    what = made["conflict"]
    if what == "session" and _continues_its_session(process, request):
        return False
    if what is not None:
        raise ConfigurationError(
            f"The run {request.run_id!r} exists with another {what}: one workflow_id is one run."
            " Use a new workflow_id, or pass what the run was started with."
        )
    return made["created"]


def _continues_its_session(process: Process, request: Request) -> bool:
    """Make a session that is new that of the run: a program that starts again makes a new one."""
    rows = process.database.fetch_sync(
        "select session_id from timestep.runs where run_id = %s", request.run_id, repeatable=True
    )
    found = rows[0]["session_id"] if rows else None
    return found is not None and becomes(request.session, found)


def becomes(session: Session | None, session_id: str) -> bool:
    """Let a session that is new continue that conversation; False if it is another one."""
    return session is not None and session._become(session_id)  # noqa: SLF001 - the same package  # pyright: ignore[reportPrivateUsage]


async def start(run_id: str, live: Live | None, *, segment: int) -> None:
    """Execute a run, or its next segment, in this process, on this event loop."""
    workflow_id = run_id if segment == 0 else f"{run_id}:r{segment}"
    run = {"run_id": run_id, "segment": segment}
    if live is None:
        with SetWorkflowID(workflow_id):
            await DBOS.start_workflow_async(run_agent_body, run)
        return
    live.outcome = asyncio.get_running_loop().create_future()
    live.outcome.add_done_callback(lambda future: future.cancelled() or future.exception())
    live.segment = segment
    live_runs[run_id] = live
    live.execution = asyncio.create_task(execute_run(run, live, workflow_id=workflow_id))
    live.workflow = asyncio.create_task(_frame(run, live, workflow_id))


async def _frame(run: dict[str, Any], live: Live, workflow_id: str) -> None:
    """Have DBOS note the run beside its execution, and note its end."""
    try:
        with SetWorkflowID(workflow_id):
            handle = await DBOS.start_workflow_async(run_agent_body, run)
        await handle.get_result()
    except Exception as error:  # noqa: BLE001 - what became of the run lies in timestep.runs
        logger.info("workflow %s: %s", workflow_id, error)
    finally:
        await asyncio.wait([cast("asyncio.Task[Any]", live.execution)])
        if live_runs.get(run["run_id"]) is live:
            live_runs.pop(run["run_id"])


async def outcome(process: Process, run_id: str, live: Live) -> WorkflowResult:
    """Wait for what a run comes to; an error in this process is raised as it is."""
    if live.outcome is None:
        return await result_of(process.database, run_id, live.agent)
    try:
        result = await asyncio.shield(live.outcome)
    finally:
        if live.outcome.done() and live.workflow is not None:
            # DBOS notes the end too; the event loop may end when this returns
            await asyncio.shield(live.workflow)
    if result is None or result.interruptions:
        return await result_of(process.database, run_id, live.agent)
    return WorkflowResult(
        run_id=run_id,
        status="completed",
        final_output=result.final_output,
        usage=result.context_wrapper.usage,
    )
