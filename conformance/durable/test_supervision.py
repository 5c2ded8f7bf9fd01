"""Queues, schedules and limits that processes of both languages share."""

# pyright: reportMissingImports=false
# What the tests of the Python package share is found by pytest alone.

import pytest
from timestep.testing import Step

from ..processes import Driver
from .story import call, says
from .world import LANGUAGES, PAIRS, World, success, until

COMPANY = "fleet"
DONE = says("done")
by_every_pair = pytest.mark.parametrize(("first", "second"), PAIRS)


@pytest.fixture(scope="module")
def fleet(world: World) -> dict[str, Driver]:
    """A worker of each language that takes any run of the company."""
    return {language: world.hire(language, companies=[COMPANY]) for language in LANGUAGES}


def tell(world: World, run: str, *turns: Step) -> None:
    """Let the model answer a run: its requests differ by how many outputs of calls they have."""
    for outputs, step in enumerate(turns):
        world.server.script(f"{run}-{outputs}", [step] * 99)


def new_run(world: World, kind: str) -> str:
    return f"{kind}.{next(world.numbers)}"


@by_every_pair
def test_a_run_is_executed_by_the_language_that_it_is_queued_for(
    world: World, fleet: dict[str, Driver], first: str, second: str
) -> None:
    runs = [new_run(world, "queued") for _ in range(3)]
    for number, run in enumerate(runs):
        tell(world, run, says(call("look", "c1", n=number)), says(f"saw {number}"))
    queued = success(fleet[first].ask("queue", company=COMPANY, runs=runs, runtime=second))
    assert queued == runs
    for number, run in enumerate(runs):
        result = success(fleet[first].ask("wait", run=run))
        assert (result["status"], result["output"]) == ("completed", f"saw {number}")
        assert {each["pid"] for each in world.tool_calls(run)} == {fleet[second].pid}
        assert {step["language"] for step in world.steps(run).values()} == {second}
        assert len(world.history(run)) == 4


@by_every_pair
def test_a_run_that_is_queued_twice_is_one_run(
    world: World, fleet: dict[str, Driver], first: str, second: str
) -> None:
    run = new_run(world, "twice")
    tell(world, run, DONE)
    both = [
        fleet[language].send("queue", company=COMPANY, runs=[run], runtime=second)
        for language in (first, second)
    ]
    assert [success(each.wait()) for each in both] == [[run], [run]]
    for language in (first, second):
        assert success(fleet[language].ask("wait", run=run))["output"] == "done"
    assert len(world.server.requests(f"{run}-0")) == 1


@by_every_pair
def test_a_schedule_that_is_rewritten_ticks_once(
    world: World, fleet: dict[str, Driver], first: str, second: str
) -> None:
    """Its ticks pass over to whoever wrote it last, and no second has two runs."""
    name = new_run(world, "schedule")
    tell(world, name, DONE)
    success(fleet[first].ask("schedule", company=COMPANY, name=name))
    until(lambda: len(ticks(world, name, first)) >= 2, seconds=60)
    success(fleet[second].ask("schedule", company=COMPANY, name=name))
    others, own = len(ticks(world, name, first)), len(ticks(world, name, second))
    until(lambda: len(ticks(world, name, second)) >= own + 3, seconds=60)
    assert success(fleet[first].ask("end_schedule", name=name)) is True
    assert success(fleet[second].ask("end_schedule", name=name)) is False
    if first != second:
        # one may have been under way when the schedule was rewritten
        assert len(ticks(world, name, first)) <= others + 1
    runs = ticks(world, name, "python") + ticks(world, name, "typescript")
    assert len(world.server.requests(f"{name}-0")) <= len(runs)


def ticks(world: World, name: str, language: str) -> list[str]:
    """Return the runs of a schedule in a language."""
    found = world.rows(
        "select run_id from timestep.runs where schedule = %s and language = %s", name, language
    )
    return [row["run_id"] for row in found]


@pytest.mark.parametrize("limit", [{"requests": 3}, {"tokens": 40}], ids=str)
@pytest.mark.parametrize("setter", LANGUAGES)
def test_a_limit_that_one_language_sets_counts_in_every_process(
    world: World, fleet: dict[str, Driver], setter: str, limit: dict[str, int]
) -> None:
    """Of model calls, or of tokens: a call takes 11, so three fit into 40."""
    workers = [*fleet.values(), world.hire("typescript" if setter == "python" else "python")]
    seconds = 3
    # times that are long over are removed: on a busy machine before they are looked at here
    world.execute("create rule keep as on delete to timestep.rate_limit_slots do instead nothing")
    # each one has read the limits when it has set the same one itself
    for worker in [fleet[setter], *workers]:
        success(worker.ask("limit", name="openai", seconds=seconds, **limit))
    runs = [new_run(world, "limited") for _ in range(9)]
    for run in runs:
        tell(world, run, DONE)
    under_way = [
        workers[number % 3].send("run", run=run, company=COMPANY) for number, run in enumerate(runs)
    ]
    for each in under_way:
        assert success(each.wait())["output"] == "done"
    slots = [
        row["at"] * 1000
        for row in world.rows(
            "select extract(epoch from slot_at)::float as at from timestep.rate_limit_slots"
            " order by slot_at"
        )
    ]
    asked = sorted(entry["at"] for run in runs for entry in world.server.requests(f"{run}-0"))
    world.execute("drop rule keep on timestep.rate_limit_slots")
    world.execute("delete from timestep.rate_limits")
    workers[2].kill()
    assert len(asked) == len(slots) == 9
    for slot, at in zip(slots, asked, strict=True):
        assert at >= slot - 1, "a call was made before its time"
    for start in slots:
        assert sum(start <= slot < start + seconds * 1000 for slot in slots) <= 3
