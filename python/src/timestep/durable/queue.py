"""Durable runs that wait in a queue for a process that has room for them."""

import asyncio
import logging
from collections.abc import Generator
from concurrent.futures import Future
from typing import Any, Literal, Unpack, cast

from agents import Agent, TResponseInputItem
from dbos import DBOS, EnqueueOptions

from timestep.durable.configuration import DEFAULT_QUEUE, SUFFIXES
from timestep.durable.dbos_queue import enqueue_options, register_queue
from timestep.durable.launch import launched
from timestep.durable.process import Process
from timestep.durable.recorded_agent import RecordedAgents
from timestep.durable.registry import check_agent
from timestep.durable.request import (
    DurableOptions,
    QueuedOptions,
    Request,
    check_options,
    requested,
)
from timestep.durable.result import WorkflowResult
from timestep.durable.resuming import RunHandle
from timestep.durable.runs import create, known
from timestep.errors import ConfigurationError, NotDurableError
from timestep.session import Session

logger = logging.getLogger("timestep")

_LAST_PRIORITY = 2**31 - 1


class QueuedRun:
    """A run that was put in a queue; awaited, it tells when that is done."""

    def __init__(self, putting: Future[RunHandle], run_id: str) -> None:
        self._putting = putting
        self._run_id = run_id

    @property
    def run_id(self) -> str:
        """The run. With a `deduplication_id` it is known for certain once this was awaited."""
        return self._putting.result().run_id if self._putting.done() else self._run_id

    async def get_result(self) -> WorkflowResult:
        """Wait until the run has paused or ended, and return what it came to.

        Raises:
            Exception: What the run failed with, as for `RunHandle.get_result`.
        """
        return await (await self).get_result()

    def __await__(self) -> Generator[Any, None, RunHandle]:
        """Return the run's handle when it lies in the queue."""
        return (yield from asyncio.wrap_future(self._putting).__await__())


def queue_agent_workflow(
    agent: Agent[Any],
    input_items: str | list[TResponseInputItem],
    session: Session | None = None,
    *,
    workflow_id: str | None = None,
    queue_name: str | None = None,
    priority: int | None = None,
    deduplication_id: str | None = None,
    runtime: Literal["python", "typescript"] = "python",
    timeout_seconds: float | None = None,
    **options: Unpack[QueuedOptions],
) -> QueuedRun:
    """Put a run in a queue, for any process that has its agent; may be awaited.

    Not awaited it is put there all the same, in the order of calling, before this process ends.

    Args:
        agent: The agent to start with.
        input_items: A text or Responses API items.
        session: Where history is read from and added to (None: no history).
        workflow_id: The name of the run: the same one is the same run (None: a new random one).
        queue_name: The queue; its limits are given to `configure_dbos` (None: "agents").
        priority: 1 or more; a lower number comes first, and none comes before all (None).
        deduplication_id: While a run of this id waits or is executed, another one is not made:
            the handle is that of the run that is there (None).
        runtime: Which language executes it; it needs an agent of the same name ("python").
        timeout_seconds: For how long it may run, once it runs; pauses do not count (None).
        **options: `context`, `max_turns`, `previous_response_id`, `conversation_id`,
            `approval_seconds`.

    Raises:
        NotDurableError: Something about the run cannot be recorded or kept.
        ConfigurationError: A value cannot be used, or a run of this id has another input, agent
            or session.
    """
    if session is not None and not isinstance(cast("object", session), Session):
        raise NotDurableError(
            f"The session is a {type(session).__name__}, which the process that takes the run from"
            " the queue would not have: use timestep.Session."
        )
    check_agent(agent)
    check_options(options, QueuedOptions)
    if runtime not in SUFFIXES:
        raise ConfigurationError(f'runtime is {runtime!r}; expected "python" or "typescript".')
    if priority is not None and not 1 <= priority <= _LAST_PRIORITY:
        raise ConfigurationError(f"priority is {priority}; expected 1 to {_LAST_PRIORITY}.")
    RecordedAgents().of(agent)
    process = launched().process
    request = requested(
        agent,
        input_items,
        session,
        workflow_id=workflow_id,
        timeout_seconds=timeout_seconds,
        options=DurableOptions(**options),
        queue_name=queue_name or DEFAULT_QUEUE,
        language=runtime,
    )
    enqueue = enqueue_options(
        process.configuration,
        run_id=request.run_id,
        queue_name=request.queue_name,
        language=runtime,
    )
    if priority is not None:
        enqueue["priority"] = priority
    if deduplication_id is not None:
        enqueue["deduplication_id"] = deduplication_id
        enqueue["duplication_policy"] = "return-existing"
    # on a thread of its own: an event loop that ends would take a run along that nobody awaits
    putting = process.putting.submit(_put_logged, process, request, enqueue)
    if not _in_event_loop():
        putting.result()
    return QueuedRun(putting, request.run_id)


def _put_logged(process: Process, request: Request, options: EnqueueOptions) -> RunHandle:
    try:
        return _put(process, request, options)
    except Exception as error:
        logger.error("run %s was not put in its queue: %s", request.run_id, error)  # noqa: TRY400 - raised where it is awaited
        raise


def _in_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _put(process: Process, request: Request, options: EnqueueOptions) -> RunHandle:
    if request.language == "python":
        known(process, request.agent)
        register_queue(process.configuration, request.queue_name)
    if not create(process, request, owner=process.instance):
        return RunHandle(request.run_id)
    handle = DBOS.enqueue_workflow_with_options(options, {"run_id": request.run_id, "segment": 0})
    run_id = handle.workflow_id
    if run_id != request.run_id:
        # a run of this deduplication id is there already: the row made for a new one goes
        process.database.fetch_sync(
            "delete from timestep.runs where run_id = %s and status = 'pending'", request.run_id
        )
        return RunHandle(run_id)
    process.database.fetch_sync("select timestep.mark_enqueued_v1(%s)", run_id, repeatable=True)
    return RunHandle(run_id)
