"""One writer for the journals of all runs that this process executes.

- Who decides: PostgreSQL, for each step by itself: one that is refused does not hinder the others.
- What time means: steps are written in the order in which they come. Those that come while a
  commit is under way share the next one.
- On failure: a commit that got no answer is sent once more; the same row twice is one row. If one
  of several steps cannot be written, each is written by itself.
"""

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

from timestep.database import Database
from timestep.durable.sql import calling
from timestep.errors import DatabaseUnavailableError

logger = logging.getLogger("timestep")

# of what record_step_v2 takes
TYPES = [
    *("text", "bigint", "text", "text", "text", "text", "text", "text", "text", "text"),
    *("bigint", "bigint", "bigint", "text", "timestamptz", "numeric", "text"),
]
_ONE = calling("record_step_v2", len(TYPES))
_SEVERAL = (
    f"select timestep.record_step_v2({', '.join(f'v{n}' for n in range(len(TYPES)))})"  # noqa: S608 - our own names
    f" from unnest({', '.join(f'%s::{each}[]' for each in TYPES)}) with ordinality"
    f" as step ({', '.join(f'v{n}' for n in range(len(TYPES)))}, place) order by place"
)
_MOST_AT_ONCE = 100

Values = Sequence[object]
Result = bool | Exception


@dataclass(frozen=True)
class _Waiting:
    values: Callable[[], Values]
    loop: asyncio.AbstractEventLoop
    written: "asyncio.Future[bool]"


class JournalWriter:
    """Writes steps in a thread of its own, those that wait together in one commit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="timestep-journal")
        self._lock = Lock()
        self._waiting: deque[_Waiting] = deque()
        self._busy = False

    def write(self, values: Callable[[], Values]) -> "asyncio.Future[bool]":
        """Write a step; the future says whether the run was still this execution's.

        Args:
            values: Makes what record_step_v2 takes, in the writer's thread.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(values, loop, loop.create_future())
        with self._lock:
            self._waiting.append(waiting)
            if self._busy:
                return waiting.written
            self._busy = True
        self._thread.submit(self._write_waiting)
        return waiting.written

    def close(self) -> None:
        """Write what waits, and end the thread."""
        self._thread.shutdown()

    def _write_waiting(self) -> None:
        while steps := self._next():
            results = self._written([step.values for step in steps])
            _tell(steps, results)

    def _next(self) -> list[_Waiting]:
        with self._lock:
            count = min(len(self._waiting), _MOST_AT_ONCE)
            self._busy = count > 0
            return [self._waiting.popleft() for _ in range(count)]

    def _written(self, steps: list[Callable[[], Values]]) -> list[Result]:
        if len(steps) == 1:
            return [self._one(steps[0])]
        try:
            columns = zip(*(values() for values in steps), strict=True)
            rows = self._database.fetch_sync(_SEVERAL, *map(list, columns), repeatable=True)
        except DatabaseUnavailableError as error:
            return [error] * len(steps)
        except Exception:
            logger.info("steps that came together are written one by one", exc_info=True)
            return [self._one(values) for values in steps]
        return [row["record_step_v2"] for row in rows]

    def _one(self, values: Callable[[], Values]) -> Result:
        try:
            rows = self._database.fetch_sync(_ONE, *values(), repeatable=True)
        except Exception as error:  # noqa: BLE001 - raised where the step is waited for
            return error
        return rows[0]["record_step_v2"]


def _tell(steps: list[_Waiting], results: list[Result]) -> None:
    """Tell every event loop once what became of its steps."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Waiting, Result]]] = defaultdict(list)
    for step, result in zip(steps, results, strict=True):
        by_loop[step.loop].append((step, result))
    for loop, told in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, told)


def _settle(told: list[tuple[_Waiting, Result]]) -> None:
    for step, result in told:
        if step.written.done():
            continue  # whoever waited was cancelled
        if isinstance(result, Exception):
            step.written.set_exception(result)
        else:
            step.written.set_result(result)
