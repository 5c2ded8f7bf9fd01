"""One writer for the journals of all runs that this process executes.

- Who decides: PostgreSQL, for each step by itself: one that is refused does not hinder the others.
- What time means: steps are written in the order in which they come. Those that come while a
  commit is under way share the next one.
- On failure: a commit that got no answer is sent once more; the same row twice is one row. If one
  of several steps cannot be written, each is written by itself.

The event loop that executes the runs sends the steps itself: handing each of them to a thread and
back takes longer than PostgreSQL does. A thread writes what could not be written like that, and all
of it where the event loop cannot watch sockets.
"""

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import cast

import psycopg

from timestep.database import Database
from timestep.database.connect import Connection
from timestep.database.pipeline import Pipeline
from timestep.durable.sql import calling
from timestep.errors import DatabaseUnavailableError

logger = logging.getLogger("timestep")

# of what record_step_v2 takes
_TYPES = [
    *("text", "bigint", "text", "text", "text", "text", "text", "text", "text", "text"),
    *("bigint", "bigint", "bigint", "text", "timestamptz", "numeric", "text"),
]
_BY_THREAD = calling("record_step_v2", len(_TYPES))
_BY_LOOP = (
    f"select timestep.record_step_v2({', '.join(f'${n}::{t}' for n, t in enumerate(_TYPES, 1))})"
).encode()
_MOST_AT_ONCE = 50

Values = Callable[[], Sequence[object]]
Result = bool | Exception


class JournalWriter:
    """Writes steps, those of one event loop that wait together in one commit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="timestep-journal")
        self._lock = threading.Lock()
        self._queues: dict[asyncio.AbstractEventLoop, _Queue] = {}

    def write(
        self, values: Values, *, after: "asyncio.Future[bool] | None" = None
    ) -> "asyncio.Future[bool]":
        """Write a step; the future says whether the run was still this execution's.

        Args:
            values: Makes what record_step_v2 takes.
            after: The step before it. If that is not written, this one is not either (None).
        """
        loop = asyncio.get_running_loop()
        queue = self._queues.get(loop) or self._new_queue(loop)
        return queue.write(_Step(values, after, loop.create_future()))

    def close(self) -> None:
        """Let what waits be written, and close the connections."""
        with self._lock:
            queues, self._queues = self._queues, {}
        for queue in queues.values():
            queue.close()

    def _new_queue(self, loop: asyncio.AbstractEventLoop) -> "_Queue":
        with self._lock:
            for closed in [each for each in self._queues if each.is_closed()]:
                self._queues.pop(closed).close()
            queue = self._queues[loop] = _Queue(self._database, self._thread, loop)
        return queue


@dataclass
class _Step:
    values: Values
    after: "asyncio.Future[bool] | None"
    written: "asyncio.Future[bool]"

    def refused(self) -> Result | None:
        """Return what became of the step before, if it was not written."""
        if self.after is None or not self.after.done() or self.after.cancelled():
            return None
        error = self.after.exception()
        if error is not None:
            return cast("Exception", error)
        return None if self.after.result() else False

    def settle(self, result: Result) -> None:
        if self.written.done():
            return  # whoever waited was cancelled
        if isinstance(result, Exception):
            self.written.set_exception(result)
        else:
            self.written.set_result(result)


@dataclass
class _Queue:
    """The steps of one event loop, on which everything happens but the work of the thread."""

    database: Database
    thread: ThreadPoolExecutor
    loop: asyncio.AbstractEventLoop
    waiting: deque[_Step] = field(default_factory=deque[_Step])
    busy: bool = False
    closing: bool = False
    pipeline: Pipeline | None = None
    may_have_pipeline: bool = True
    connection: Connection | None = None  # the next pipeline's, made by the thread

    def write(self, step: _Step) -> "asyncio.Future[bool]":
        self.waiting.append(step)
        if not self.busy:
            self._write_next()
        return step.written

    def close(self) -> None:
        """Close the connection, from any thread, when nothing is on its way any more."""
        if self.loop.is_running() and asyncio._get_running_loop() is not self.loop:  # noqa: SLF001 - get_running_loop() without an exception
            self.loop.call_soon_threadsafe(self._close)
        else:
            self._close()

    def _close(self) -> None:
        self.closing = True
        if self.busy and self.loop.is_running():
            return  # it is closed when that is written
        if self.pipeline is not None:
            self.pipeline.close()
        if self.connection is not None:
            self.connection.close()

    def _write_next(self) -> None:
        steps: list[_Step] = []
        while self.waiting and len(steps) < _MOST_AT_ONCE:
            step = self.waiting.popleft()
            if (refused := step.refused()) is None:
                steps.append(step)
            else:
                step.settle(refused)
        self.busy = bool(steps)
        if self.busy:
            self._send(steps)
        elif self.closing:
            self._close()

    def _send(self, steps: list[_Step]) -> None:
        if self.pipeline is None or self.pipeline.closed:
            self.thread.submit(self._write_by_thread, steps)
            return
        try:
            rows = [step.values() for step in steps]
            self.pipeline.send(_BY_LOOP, rows, lambda answers: self._answered(steps, answers))
        except Exception:  # noqa: BLE001 - the thread finds out which of the steps it is
            self.thread.submit(self._write_by_thread, steps)

    def _answered(self, steps: list[_Step], answers: list[str | None] | None) -> None:
        if answers is None:
            self.thread.submit(self._write_by_thread, steps)
        else:
            self._tell(steps, [answer == "t" for answer in answers])

    def _tell(self, steps: list[_Step], results: Sequence[Result]) -> None:
        for step, result in zip(steps, results, strict=True):
            step.settle(result)
        self._write_next()

    def _write_by_thread(self, steps: list[_Step]) -> None:
        results: dict[asyncio.Future[bool], Result] = {}
        for step in steps:
            before = results.get(step.after, True) if step.after else True
            results[step.written] = self._written(step.values) if before is True else before
        if True in results.values() and self.may_have_pipeline and not self.closing:
            self._connect()
        try:
            self.loop.call_soon_threadsafe(self._told_by_thread, steps, list(results.values()))
        except RuntimeError:
            logger.info("%d steps were written after their event loop had ended", len(steps))

    def _written(self, values: Values) -> Result:
        try:
            rows = self.database.fetch_sync(_BY_THREAD, *values(), repeatable=True)
        except Exception as error:  # noqa: BLE001 - raised where the step is waited for
            return error
        return rows[0]["record_step_v2"]

    def _connect(self) -> None:
        if self.pipeline is not None and not self.pipeline.closed:
            return  # it was a step that could not be written, not the connection
        try:
            self.connection = self.database.connection_sync()
        except DatabaseUnavailableError as error:
            self.may_have_pipeline = False
            logger.info("steps are written by a thread: %s", error)

    def _told_by_thread(self, steps: list[_Step], results: Sequence[Result]) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            self._use(connection)
        self._tell(steps, results)

    def _use(self, connection: Connection) -> None:
        try:
            self.pipeline = Pipeline(connection)
        except (NotImplementedError, psycopg.Error) as error:
            connection.close()
            self.may_have_pipeline = False
            logger.info(
                "steps are written by a thread: this event loop has no pipeline (%s)", error
            )
