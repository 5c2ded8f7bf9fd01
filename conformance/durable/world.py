"""Workers of both languages, the model that they ask, and what all of them leave behind."""

import itertools
import json
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import psycopg
from psycopg.rows import dict_row
from timestep.testing import ModelServer

from ..processes import Answer, Driver, DriverProcess, PythonFork

Json = dict[str, Any]
LANGUAGES = ("python", "typescript")
# Who begins a run, and who goes on with it.
PAIRS: list[tuple[str, str]] = list(itertools.product(LANGUAGES, LANGUAGES))
LEASE_SECONDS = 6.0


class Spares:
    """Processes that have loaded everything already, to be made workers of."""

    def __init__(self, *, ahead: int) -> None:
        self._fork = PythonFork("durable/worker")
        self._starter = ThreadPoolExecutor(1)
        self._started: SimpleQueue[Future[Driver]] = SimpleQueue()
        for _ in range(ahead):
            self._start()

    def take(self, language: str) -> Driver:
        if language == "python":
            return self._starter.submit(self._fork.driver).result()
        self._start()
        return self._started.get().result()

    def close(self) -> None:
        self._starter.shutdown()
        while not self._started.empty():
            self._started.get().result().kill()
        self._fork.close()

    def _start(self) -> None:
        self._started.put(self._starter.submit(DriverProcess, "typescript", "durable/worker"))


@dataclass
class World:
    """A database, a model, and the workers that share both.

    Attributes:
        journal: The file in which tools note their calls.
    """

    database: str
    server: ModelServer
    journal: Path
    spares: Spares
    workers: list[Driver] = field(default_factory=list[Driver])
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def hire(self, language: str, **options: Any) -> Driver:
        """Return a worker that executes durable runs."""
        worker = self.spares.take(language)
        self.workers.append(worker)
        self.launch(worker, **options)
        return worker

    def launch(
        self, worker: Driver, *, lease_seconds: float = LEASE_SECONDS, **options: Any
    ) -> None:
        """Let a process begin to execute durable runs."""
        environment = {"PG_CONNECTION_URI": self.database, "TIMESTEP_EMBEDDED": "off"}
        success(
            worker.ask(
                "launch",
                environment=environment,
                base_url=self.server.url,
                journal=str(self.journal),
                lease_seconds=lease_seconds,
                **options,
            )
        )

    def bury(self, worker: Driver) -> None:
        """Do what time would do to a worker that is dead: end its lease."""
        worker.close()
        self.workers.remove(worker)
        self.rows(
            "update timestep.executors set alive_until = clock_timestamp()"
            " where pid = %s and alive_until > clock_timestamp() returning pid",
            worker.pid,
        )

    def dismiss(self) -> None:
        """End all workers."""
        for worker in self.workers:
            with suppress(ProcessLookupError):
                worker.kill()

    def rows(self, query: str, *arguments: object) -> list[Json]:
        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return cursor.execute(query.encode(), arguments).fetchall()

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute(statement.encode())

    def tool_calls(self, run: str) -> list[Json]:
        """Return what tools have noted of a run, in order."""
        entries = (json.loads(line) for line in self.journal.read_text().splitlines())
        return [each for each in entries if each["key"].startswith(f"{run}/")]

    def history(self, session: str) -> list[Json]:
        """Return the items of a session, with its name left open."""
        found = self.rows(
            "select document from timestep.session_items where session_id = %s order by item_id",
            session,
        )
        return [json.loads(row["document"].replace(session, "RUN")) for row in found]

    def status(self, run: str) -> str:
        """Return how a run stands."""
        return self.rows("select status from timestep.runs where run_id = %s", run)[0]["status"]

    def steps(self, run: str) -> dict[str, Json]:
        """Return the journal of a run by key."""
        found = self.rows(
            "select key, kind, status, language, extract(epoch from finished_at)::float as ended"
            " from timestep.steps where run_id = %s",
            run,
        )
        return {row["key"]: row for row in found}


def until(condition: Callable[[], object], *, seconds: float = 30.0) -> object:
    """Return the condition's first true value; fail when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.02)
    return value


def success(answer: Answer) -> Any:
    """Return what a command came to, which may not have failed."""
    assert answer.error is None, f"{answer.error['name']}: {answer.error['message']}"
    return answer.result
