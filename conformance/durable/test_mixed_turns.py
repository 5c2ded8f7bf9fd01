"""Turns with several kinds of calls, paused in one language and resumed in the other.

Whatever the order of the calls, no part of a run takes longer than DEADLINE_SECONDS.
"""

import time
from typing import Any

import pytest

from ..processes import Driver
from .story import Story, call, says
from .world import PAIRS, World, success

Json = dict[str, Any]
DEADLINE_SECONDS = 5.0
APPROVED = call("refund", "c1", n=1)
NORMAL = call("look", "c2", n=2)
HANDOFF = call("transfer_to_billing", "c3")
NESTED = "nested"  # its input names the run
# The turn, what follows before the end, and the calls of the whole run.
MIXED: dict[str, tuple[list[Any], list[Any], set[str]]] = {
    "approval-normal": ([APPROVED, NORMAL], [], {"c1", "c2"}),
    "normal-approval": ([NORMAL, APPROVED], [], {"c1", "c2"}),
    "handoff-normal": ([HANDOFF, NORMAL], [APPROVED], {"c1", "c2"}),
    "normal-handoff": ([NORMAL, HANDOFF], [APPROVED], {"c1", "c2"}),
    "nested-normal": ([NESTED, NORMAL], [], {"c2", "c4/n1", "c4/n2"}),
    "nested-approval": ([NESTED, APPROVED], [], {"c1", "c4/n1", "c4/n2"}),
}


def story_of(world: World, name: str) -> Story:
    """Return the run of a mixed turn."""
    run = f"mixed.{next(world.numbers)}"
    turn, following, _ = MIXED[name]
    nested = call("research", "c4", input=f"Find out [{run}.inner].")
    return Story(
        world.server,
        run,
        turns=[
            says(*(nested if each == NESTED else each for each in turn)),
            *(says(each) for each in following),
            says("done"),
        ],
        inner=[says(call("fetch", "n1", n=1)), says(call("risky", "n2", n=2)), says("found")],
    )


def in_time(worker: Driver, do: str, story: Story, **command: Any) -> Json:
    """Return what a command came to, which may not take long."""
    began = time.monotonic()
    result = success(worker.ask(do, run=story.run, company=story.run, **command))
    took = time.monotonic() - began
    assert took < DEADLINE_SECONDS, f"{do} took {took:.1f} s"
    return result


@pytest.mark.parametrize("stream", [False, True], ids=["at-once", "streamed"])
@pytest.mark.parametrize(("first", "second"), PAIRS)
@pytest.mark.parametrize("name", MIXED)
def test_a_mixed_turn_ends(
    world: World, staff: dict[str, Driver], name: str, first: str, second: str, stream: bool
) -> None:
    story = story_of(world, name)
    story.tell()
    paused = in_time(staff[first], "run", story, session=story.run, stream=stream)
    assert paused["status"] == "interrupted"
    waiting = success(staff[second].ask("decide", run=story.run, decision={"approve": True}))
    assert waiting
    assert {each["status"] for each in waiting} == {"approved"}
    ended = in_time(staff[second], "resume", story)
    assert (ended["status"], ended["output"]) == ("completed", "done")
    calls = world.tool_calls(story.run)
    for what in ("start", "end"):
        made = sorted(each["key"].partition("/")[2] for each in calls if each["what"] == what)
        assert made == sorted(MIXED[name][2]), what
    assert len(story.requests()) == ended["usage"][0]
    outputs = [
        item["call_id"]
        for item in world.history(story.run)
        if item.get("type") == "function_call_output"
    ]
    assert len(outputs) == len(set(outputs))
