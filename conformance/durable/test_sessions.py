"""What a run of one language has not yet added to its session when the other goes on with it.

The TypeScript SDK adds what a run says at the end of the run, the Python SDK after every turn.
"""

from contextlib import suppress

import pytest

from ..processes import Driver, DriverDiedError
from .story import Story, call, says
from .test_kill_sweep import alike
from .world import World, success

TURNS = [says(call("look", f"c{n}", n=n)) for n in (1, 2, 3)]
ITEMS = 1 + 2 * len(TURNS)  # the input, then a call and its output for each turn


def told(world: World, run: str) -> dict[str, str]:
    """Return what a worker is told of a run that the model knows."""
    Story(world.server, run, turns=[*TURNS, says("done")]).tell()
    return {"run": run, "company": run, "session": run}


@pytest.mark.parametrize(
    ("killed", "there"),
    [({"c3": "typescript"}, 0), ({"c2": "python", "c3": "typescript"}, 3)],
    ids=["nothing", "a-part"],
)
def test_what_a_session_lacks_is_added_once(
    world: World, staff: dict[str, Driver], killed: dict[str, str], there: int
) -> None:
    """Python goes on behind the finished turns, and adds at once what is missing of them."""
    run, undisturbed = (f"behind.{next(world.numbers)}" for _ in range(2))
    command = told(world, run)
    for place, language in killed.items():
        worker = world.hire(language, kill=f"inside /{place}")
        with suppress(DriverDiedError):
            raise AssertionError(worker.send("run", **command).wait())
        world.bury(worker)
    assert len(world.history(run)) == there

    ended = success(world.hire("python").ask("run", **command))
    assert (ended["status"], ended["output"]) == ("completed", "done")
    added = [moment for moment in ended["moments"] if moment.startswith("before append_run_items")]
    # what is missing, the turn that was in flight, and the end
    assert [moment.rpartition(":")[2] for moment in added] == [
        str(there),
        str(ITEMS - 2),
        str(ITEMS),
    ]

    success(staff["python"].ask("run", **told(world, undisturbed)))
    assert alike(world.history(run)) == alike(world.history(undisturbed))
    assert len(world.history(run)) == ITEMS + 1
