"""Many processes of both languages at once: no error, and a saved run is resumed once."""

from collections import Counter
from collections.abc import Iterator

import pytest

from .play import SCENARIOS, World
from .processes import Driver, DriverProcess, PythonFork

SCENARIO = SCENARIOS["killed"]
LOSING = {"StateConflictError", "RunStateNotFoundError"}


@pytest.fixture(scope="module")
def crowd() -> Iterator[list[Driver]]:
    """Eight processes, four of each language."""
    with PythonFork() as fork:
        python = [fork.driver() for _ in range(4)]
        typescript = [DriverProcess("typescript") for _ in range(4)]
        drivers: list[Driver] = [*python, *typescript]
        yield drivers
        for driver in drivers:
            driver.close()


def test_eight_processes_make_the_tables_and_save_160_runs_at_once(
    world: World, crowd: list[Driver], empty_database_url: str
) -> None:
    pending = [
        driver.send(
            "save_many",
            scenario=SCENARIO,
            session_id="none",
            session_ids=[f"own-{number}-{n}" for n in range(10)] + [f"all-{n}" for n in range(10)],
            script=script(world, f"crowd-{number}"),
            base_url=world.server.url,
            database=empty_database_url,
        )
        for number, driver in enumerate(crowd)
    ]
    answers = [each.wait() for each in pending]
    assert [answer.error for answer in answers] == [None] * 8
    versions = [version for answer in answers for version in answer.result]
    assert len(versions) == 160
    assert all(answer.result[:10] == [1] * 10 for answer in answers)
    assert max(versions) <= 8


@pytest.mark.parametrize("round_", range(5))
def test_of_twenty_that_resume_at_once_one_does(
    world: World, crowd: list[Driver], round_: int
) -> None:
    session_id = f"wanted-{round_}"
    command = {
        "scenario": SCENARIO,
        "session_id": session_id,
        "base_url": world.server.url,
        "database": world.database,
        "decisions": SCENARIO["decisions"][0],
    }
    writer = crowd[round_]
    started = writer.ask("start", **command, script=script(world, f"{session_id}-start"))
    assert started.error is None

    pending = [
        crowd[number % len(crowd)].send(
            "resume", **command, script=script(world, f"{session_id}-{number}", first=1)
        )
        for number in range(20)
    ]
    answers = [each.wait() for each in pending]

    winners = [answer for answer in answers if answer.error is None]
    assert len(winners) == 1
    assert winners[0].result["final_output"] == "Done."
    losers = Counter(answer.error["name"] for answer in answers if answer.error)
    assert set(losers) <= LOSING
    executed = [execution for answer in answers for execution in answer.executions]
    assert len(executed) == 1
    asked = [world.server.requests(f"{session_id}-{number}") for number in range(20)]
    assert sum(map(len, asked)) == 1


def script(world: World, name: str, first: int = 0) -> str:
    """Set what the model says to one process, from this step on."""
    world.server.script(name, SCENARIO["model"][first:], seed="killed")
    return name
