"""This process as an executor of durable runs, and what it executes right now."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from timestep.database import Database
from timestep.durable.journal_writer import JournalWriter

if TYPE_CHECKING:
    from timestep.durable.configuration import Configuration
    from timestep.durable.execution import Execution


@dataclass
class Process:
    """Who this process is in `timestep.executors`.

    Attributes:
        active: The runs that are executed here, by id. A run is looked for here before anything
            else, so that a process never takes a run from itself.
        putting: The thread that puts runs in queues.
    """

    configuration: "Configuration"
    database: Database
    instance: str
    executor_id: str
    active: dict[str, "Execution"] = field(default_factory=dict[str, "Execution"])
    _reserved: set[str] = field(default_factory=set[str])
    _lock: threading.Lock = field(default_factory=threading.Lock)
    alive_until: float = float("inf")  # on time.monotonic()
    limited: frozenset[str] = frozenset()  # models and providers with a rate limit
    limits_read_at: float = float("-inf")
    putting: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "timestep"))
    writer: JournalWriter = field(init=False)

    def __post_init__(self) -> None:
        """Make the writer of this process's journals."""
        self.writer = JournalWriter(self.database)

    def reserve(self, run_id: str) -> bool:
        """Reserve a run for one execution of this process; False if another one has it."""
        with self._lock:
            if run_id in self._reserved:
                return False
            self._reserved.add(run_id)
            return True

    def let_go(self, run_id: str) -> None:
        """End the reservation of a run."""
        with self._lock:
            self._reserved.discard(run_id)

    def has(self, run_id: str) -> bool:
        """Return whether an execution of this process has the run, or is about to claim it."""
        return run_id in self._reserved

    def is_alive(self) -> bool:
        """Return whether this process may still act on its runs."""
        return time.monotonic() < self.alive_until


_current: Process | None = None


def use_process(process: Process | None) -> None:
    """Make this the process that executes what DBOS hands out."""
    global _current
    _current = process


def current_process() -> Process | None:
    """Return the process that executes, None before a launch."""
    return _current
