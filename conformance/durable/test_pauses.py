"""Decisions, cancelling and limits that come from the other language."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from ..processes import Driver, DriverDiedError
from .story import Story, call, says
from .world import PAIRS, World, success, until

Json = dict[str, Any]
by_every_pair = pytest.mark.parametrize(("first", "second"), PAIRS)
LIMIT_SECONDS = 8.0
EXPIRED = "The approval expired before anybody decided."


def refund_story(world: World) -> Story:
    """Return a run that waits for the decision on a refund."""
    run = f"pause.{next(world.numbers)}"
    story = Story(
        world.server,
        run,
        turns=[says(call("look", "c1", n=1), call("refund", "c2", n=2)), says("done")],
    )
    story.tell()
    return story


def paused(world: World, worker: Driver, **options: Any) -> Story:
    """Run until the refund waits for its decision."""
    story = refund_story(world)
    result = success(
        worker.ask("run", run=story.run, company=story.run, session=story.run, **options)
    )
    assert (result["status"], result["interruptions"]) == ("interrupted", ["c2"])
    return story


def output_of(world: World, story: Story, call_id: str = "c2") -> str:
    """Return what the model was told of a call, by default the refund."""
    (item,) = [
        item
        for item in world.history(story.run)
        if item.get("type") == "function_call_output" and item["call_id"] == call_id
    ]
    return item["output"]


def made(world: World, story: Story) -> list[str]:
    """Return the tools that were called."""
    return [each["tool"] for each in world.tool_calls(story.run) if each["what"] == "start"]


@by_every_pair
def test_a_run_that_another_language_decided_on_goes_on_where_it_was(
    world: World, staff: dict[str, Driver], first: str, second: str
) -> None:
    story = paused(world, staff[first])
    decision = {"approve": True, "decided_by": second}
    assert success(staff[second].ask("decide", run=story.run, decision=decision)) == [
        {"tool": "refund", "status": "approved"}
    ]
    ended = success(staff[first].ask("resume", run=story.run, company=story.run))
    assert (ended["status"], ended["output"]) == ("completed", "done")
    assert made(world, story) == ["look", "refund"]
    assert output_of(world, story) == "refunded 2"


@by_every_pair
def test_a_worker_without_the_agent_lets_a_run_go_on_where_it_was(
    world: World, staff: dict[str, Driver], first: str, second: str
) -> None:
    story = paused(world, staff[first])
    clerk = world.hire(second)
    assert success(clerk.ask("decide", run=story.run, decision={"approve": True}))
    ended = success(clerk.ask("resume", run=story.run))
    assert (ended["status"], ended["output"]) == ("completed", "done")
    assert {each["pid"] for each in world.tool_calls(story.run)} == {staff[first].pid}
    clerk.kill()


@by_every_pair
@pytest.mark.parametrize("approve", [True, False])
def test_a_state_that_was_decided_on_in_memory_goes_on(
    world: World, staff: dict[str, Driver], first: str, second: str, approve: bool
) -> None:
    story = paused(world, staff[first])
    command = {"company": story.run, "approve": approve, "message": "No, thank you."}
    ended = success(staff[second].ask("by_state", run=story.run, **command))
    assert (ended["status"], ended["output"]) == ("completed", "done")
    assert made(world, story) == (["look", "refund"] if approve else ["look"])
    told = "refunded 2" if approve else "No, thank you."
    assert output_of(world, story) == told


@by_every_pair
def test_an_agent_as_a_tool_that_ended_before_a_death_is_not_paused_once_more(
    world: World, staff: dict[str, Driver], first: str, second: str
) -> None:
    """Its pause is still in the state of the segment that is executed again."""
    run = f"pause.{next(world.numbers)}"
    turns = [
        says(call("research", "c1", input=f"Find out [{run}.inner].")),
        says(call("look", "c2", n=2)),
        says(call("refund", "c3", n=3)),
        says("done"),
    ]
    inner = [says(call("risky", "n1", n=1)), says("found")]
    Story(world.server, run, turns=turns, inner=inner).tell()
    command = {"run": run, "company": run, "session": run}
    assert success(staff[second].ask("run", **command))["interruptions"] == ["n1"]
    worker = world.hire(first, kill="inside /c2")
    with suppress(DriverDiedError):
        raise AssertionError(worker.send("run", **command, approve=True).wait())
    world.bury(worker)
    assert success(staff[second].ask("run", **command))["interruptions"] == ["c3"]
    ended = success(staff[second].ask("run", **command, approve=True))
    assert (ended["status"], ended["output"]) == ("completed", "done")
    assert [each["tool"] for each in world.tool_calls(run) if each["what"] == "start"] == [
        "risky", "look", "look", "refund",
    ]  # fmt: skip


@by_every_pair
def test_a_rejection_tells_the_model_why(
    world: World, staff: dict[str, Driver], first: str, second: str
) -> None:
    story = paused(world, staff[first])
    decision = {"approve": False, "message": "Über 100 € bitte nicht."}
    success(staff[second].ask("decide", run=story.run, decision=decision))
    ended = success(staff[first].ask("resume", run=story.run, company=story.run))
    assert ended["status"] == "completed"
    assert made(world, story) == ["look"]
    assert output_of(world, story) == "Über 100 € bitte nicht."


@by_every_pair
def test_a_tool_is_called_with_the_arguments_that_a_person_wrote(
    world: World, staff: dict[str, Driver], first: str, second: str
) -> None:
    story = paused(world, staff[first])
    decision = {"approve": True, "arguments": {"n": 42}}
    success(staff[second].ask("decide", run=story.run, decision=decision))
    ended = success(staff[second].ask("resume", run=story.run, company=story.run))
    assert ended["status"] == "completed"
    assert output_of(world, story) == (
        '[Called with arguments edited by a person: {"n":42}]\nrefunded 42'
    )


@by_every_pair
def test_of_two_decisions_and_of_two_resumes_one_counts(
    world: World, staff: dict[str, Driver], first: str, second: str
) -> None:
    story = paused(world, staff[first])
    success(staff[first].ask("decide", run=story.run, decision={"approve": True}))
    (approval,) = world.rows(
        "select approval_id::text from timestep.approvals where run_id = %s", story.run
    )
    late = staff[second].ask("decide_one", **approval, decision={"approve": False})
    assert late.error is not None
    assert late.error["name"] == "ApprovalConflictError"
    command = {"run": story.run, "company": story.run}
    both = [staff[language].send("resume", **command) for language in (first, second)]
    for each in both:
        assert success(each.wait())["output"] == "done"
    assert made(world, story) == ["look", "refund"]
    assert len(story.requests()) == 2


@by_every_pair
def test_what_nobody_decided_in_time_is_a_rejection(
    world: World, staff: dict[str, Driver], first: str, second: str
) -> None:
    story = paused(world, staff[first], approval_seconds=0.5)
    ended = until(lambda: world.status(story.run) == "completed")
    assert ended
    assert success(staff[second].ask("wait", run=story.run))["output"] == "done"
    assert made(world, story) == ["look"]
    assert output_of(world, story) == EXPIRED


@by_every_pair
def test_a_run_is_cancelled_from_the_other_language(
    world: World, staff: dict[str, Driver], first: str, second: str
) -> None:
    story = waiting_story(world)
    running = staff[first].send("run", run=story.run, company=story.run)
    until(lambda: world.tool_calls(story.run))
    assert success(staff[second].ask("cancel", run=story.run)) is True
    assert success(staff[second].ask("cancel", run=story.run)) is False
    assert success(running.wait())["status"] == "cancelled"
    assert [each["what"] for each in world.tool_calls(story.run)] == ["start"]
    assert set(world.steps(story.run)) == {"m::0"}
    assert len(story.requests()) == 1


def test_a_time_limit_survives_the_process(world: World, staff: dict[str, Driver]) -> None:
    """All pairs at once, since each of them takes as long as the limit."""

    def one(pair: tuple[str, str]) -> Json:
        first, second = pair
        story = waiting_story(world)
        command = {"run": story.run, "company": story.run, "timeout_seconds": LIMIT_SECONDS}
        worker = world.hire(first)
        running = worker.send("run", **command)
        until(lambda: world.tool_calls(story.run))
        worker.kill()
        with pytest.raises(DriverDiedError):
            running.wait()
        world.bury(worker)
        failed = staff[second].ask("run", **command)
        assert failed.error is not None
        assert "time limit" in failed.error["message"]
        (row,) = world.rows(
            "select status, error_type, extract(epoch from finished_at - started_at)::float as took"
            " from timestep.runs where run_id = %s",
            story.run,
        )
        return row

    with ThreadPoolExecutor(len(PAIRS)) as pool:
        for row in pool.map(one, PAIRS):
            assert (row["status"], row["error_type"]) == ("failed", "TimeoutError")
            assert LIMIT_SECONDS <= row["took"] < 3 * LIMIT_SECONDS


@by_every_pair
@pytest.mark.parametrize("again", [True, False], ids=["again", "not-again"])
def test_a_person_decides_on_a_call_whose_outcome_nobody_knows(
    world: World, staff: dict[str, Driver], first: str, second: str, again: bool
) -> None:
    run = f"pause.{next(world.numbers)}"
    pay = says(call("look", "c1", n=1), call("pay", "c2", n=2))
    story = Story(world.server, run, turns=[pay, says("done")])
    story.tell()
    command = {"run": run, "company": run, "session": run}
    worker = world.hire(first, kill="inside /c2")
    with pytest.raises(DriverDiedError):
        worker.send("run", **command).wait()
    world.bury(worker)
    found = success(staff[second].ask("run", **command))
    assert (found["status"], found["interruptions"]) == ("interrupted", ["c2"])
    assert world.rows("select reason from timestep.approvals where run_id = %s", run) == [
        {"reason": "outcome_unknown"}
    ]
    decision = {"approve": again, "message": None if again else "It was paid."}
    success(staff[first].ask("decide", run=run, decision=decision))
    ended = success(staff[first].ask("resume", run=run, company=run))
    assert (ended["status"], ended["output"]) == ("completed", "done")
    assert made(world, story).count("pay") == (2 if again else 1)
    assert output_of(world, story, "c2") == ("paid 2" if again else "It was paid.")


def waiting_story(world: World) -> Story:
    """Return a run whose tool waits for a word that never comes."""
    run = f"pause.{next(world.numbers)}"
    story = Story(world.server, run, turns=[says(call("wait", "c1", n=1)), says("done")])
    story.tell()
    return story
