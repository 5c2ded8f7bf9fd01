"""kill -9 at a hundred random moments: nothing that was reported saved is lost.

A driver of one language is killed while it opens an empty database, starts a run and saves it,
decides on a saved run, or resumes one. The other language then goes on from what is in the
database, and the session's history is that of a run that nobody killed.
"""

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from .play import SCENARIOS, World, rows_of
from .processes import Driver, DriverDiedError, DriverProcess, PythonFork

Json = dict[str, Any]
OTHER = {"python": "typescript", "typescript": "python"}
SCENARIO = SCENARIOS["killed"]
DECISIONS = SCENARIO["decisions"][0]
# The last kind has fewer rounds, so that they are a hundred in all.
KINDS = {"start": 13, "decide": 13, "resume": 13, "open": 11}
# Every other moment comes shortly after this: while the state is saved, or while the run resumes.
EVENTS = {"start": "saving", "decide": "saving", "resume": "loaded", "open": None}
SHORTLY = 0.03
CASES = [
    pytest.param(kind, language, number, id=f"{kind}-{language}-{number}")
    for kind, rounds in KINDS.items()
    for language in OTHER
    for number in range(rounds)
]


class Spares:
    """Drivers that are started ahead, to be killed."""

    def __init__(self) -> None:
        self._fork = PythonFork()
        self._starter = ThreadPoolExecutor(1)
        self._next = self._starter.submit(DriverProcess, "typescript")

    def take(self, language: str) -> Driver:
        if language == "python":
            return self._fork.driver()
        ready, self._next = self._next, self._starter.submit(DriverProcess, "typescript")
        return ready.result()

    def close(self) -> None:
        self._next.result().close()
        self._starter.shutdown()
        self._fork.close()


@pytest.fixture(scope="module")
def spares() -> Iterator[Spares]:
    spares = Spares()
    yield spares
    spares.close()


@pytest.fixture(scope="module")
def durations(world: World, spares: Spares) -> dict[tuple[str, str], float]:
    """How long each command takes when nobody is killed, in seconds."""
    found: dict[tuple[str, str], float] = {}
    for language in OTHER:
        for kind in KINDS:
            case = Case(world, f"measured-{kind}-{language}")
            case.prepare(kind, language)
            driver = spares.take(language)
            began = time.monotonic()
            case.succeed(driver, kind)
            found[kind, language] = time.monotonic() - began
            driver.close()
    return found


class Case:
    """One run of the scenario, which is killed on the way."""

    def __init__(self, world: World, session_id: str, database: str | None = None) -> None:
        self.world = world
        self.session_id = session_id
        self.database = database or world.database
        self.scripts = 0

    def prepare(self, kind: str, language: str) -> None:
        """Do what comes before the command that is killed."""
        if kind in ("decide", "resume"):
            self.succeed(self.world.drivers[language], "start")

    def command(self, kind: str) -> Json:
        """Return a command with a script of its own, so that no killed one has used it up."""
        self.scripts += 1
        script = f"{self.session_id}-{self.scripts}"
        steps = SCENARIO["model"] if kind == "start" else SCENARIO["model"][1:]
        self.world.server.script(script, steps, seed="killed")
        return {
            "scenario": SCENARIO,
            "session_id": self.session_id,
            "script": script,
            "base_url": self.world.server.url,
            "database": self.database,
            "decisions": DECISIONS,
        }

    def succeed(self, driver: Driver, kind: str) -> Any:
        answer = driver.ask(kind, **self.command(kind))
        assert answer.error is None, answer.error
        return answer.result

    def kill(
        self, driver: Driver, kind: str, after_seconds: float, after_event: str | None = None
    ) -> int | None:
        """Kill the driver so long after the command, or after an event that the command tells of.

        Returns:
            The version that the driver had reported as saved, if it had.
        """
        pending = driver.send(kind, **self.command(kind))
        if after_event:
            pending.wait(until=after_event)
        time.sleep(after_seconds)  # the random moment
        driver.kill()
        with suppress(DriverDiedError):
            pending.wait()
        saved = pending.answer.of("saved")
        return saved[-1]["version"] if saved else None

    def finish(self, language: str) -> None:
        """Run the saved run on in this language, to the end."""
        # What time would do: the process that held the claim is dead.
        self.world.rows(
            "update timestep.run_states set claim_expires_at = now()"
            " where session_id = %s and status = 'claimed' returning version",
            self.session_id,
        )
        finished = self.succeed(self.world.drivers[language], "resume")
        assert finished["final_output"] == "Done."
        assert finished["interruptions"] == []


@pytest.mark.parametrize(("kind", "language", "number"), CASES)
def test_nothing_that_was_reported_saved_is_lost_to_a_kill(
    world: World,
    spares: Spares,
    durations: dict[tuple[str, str], float],
    request: pytest.FixtureRequest,
    kind: str,
    language: str,
    number: int,
) -> None:
    chance = random.Random(f"{kind} {language} {number}")
    event = EVENTS[kind] if number % 2 else None
    moment = chance.uniform(0, SHORTLY if event else 1.1 * durations[kind, language])
    session_id = f"killed-{kind}-{language}-{number}"
    other = OTHER[language]
    if kind == "open":
        case = Case(world, session_id, request.getfixturevalue("empty_database_url"))
        case.kill(spares.take(language), kind, moment)
        case.succeed(world.drivers[other], "start")
        assert case.succeed(world.drivers[language], "resume")["final_output"] == "Done."
        return
    case = Case(world, session_id)
    case.prepare(kind, language)
    reported = case.kill(spares.take(language), kind, moment, event)
    versions = rows_of(world, session_id)
    if not versions:
        assert kind == "start"
        assert reported is None
        return
    assert versions[-1]["version"] >= (reported or 1)
    if versions[-1]["status"] != "done":
        case.finish(other)
    assert history(world, session_id) == history(world, f"measured-resume-{language}")


def history(world: World, session_id: str) -> list[tuple[str, str | None]]:
    """Return the kinds of the session's items with the calls that they belong to."""
    items = world.rows(
        "select type, role, call_id from timestep.session_items where session_id = %s"
        " order by item_id",
        session_id,
    )
    return [(item["type"], item["call_id"] or item["role"]) for item in items]
