"""kill -9 at every boundary and inside every call: another process finishes what is left.

A run that nobody disturbs tells which moments there are: before and after every statement that
changes something, in the middle of every call of a tool, and while every answer of the model is
waited for. Then it is begun again for each of them, killed there, and finished by a worker of one
of the two languages. What comes of it is what the undisturbed run came to, and nothing that was
done is done again.
"""

import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, cast

import pytest

from ..processes import Driver, DriverDiedError
from .story import GATE, Story, long_story
from .world import PAIRS, World, success

Json = dict[str, Any]
AT_MOST_ONCE = {"mail", "refund"}
IN_FLIGHT = 3  # a call, and two inside the nested agent beside it
AT_A_TIME = 6


@dataclass(frozen=True)
class Undisturbed:
    """What a run comes to that nobody disturbs."""

    answer: Json
    history: list[Json]
    questions: dict[str, list[Json]]
    tool_calls: "Counter[str]"
    moments: list[str]


@pytest.fixture(scope="module")
def undisturbed(world: World, staff: dict[str, Driver]) -> dict[str, Undisturbed]:
    return {language: watch(world, language) for language in staff}


def watch(world: World, language: str) -> Undisturbed:
    """Run without a disturbance."""
    story = long_story(world.server, f"undisturbed.{language}")
    story.tell()
    worker = world.hire(language)
    answer = success(worker.ask("run", **told(story, stream=False)))
    seen = dict.fromkeys(answer.pop("moments"))
    moments = [*seen, *(f"asked {script}" for script, _ in story.scripts())]
    return Undisturbed(
        answer=answer,
        history=world.history(story.run),
        questions=dict(questions(story)),
        tool_calls=starts(world.tool_calls(story.run)),
        moments=[moment.replace(story.run, "RUN") for moment in moments],
    )


def told(story: Story, *, stream: bool) -> Json:
    return {
        "run": story.run,
        "company": story.run,
        "session": story.run,
        "stream": stream,
        "approve": True,
    }


def questions(story: Story) -> Iterator[tuple[str, list[Json]]]:
    """Yield what the model was asked, with the name of its answer; the run's name is left open."""
    for entry in story.requests():
        asked = json.loads(entry["body"].replace(story.run, "RUN"))["input"]
        yield str(entry["script"]).replace(story.run, "RUN"), asked


def starts(tool_calls: Iterable[Json]) -> "Counter[str]":
    """Count how often each call was begun, by its place in the run."""
    places = (each["key"].partition("/")[2] for each in tool_calls if each["what"] == "start")
    return Counter(places)


def worth_a_kill(moment: str) -> bool:
    """Leave out moments between which and the one before nothing happens but waiting."""
    kind, _, what = moment.partition(" ")
    return kind != "before" or what.startswith("record_step")


def test_the_runs_of_both_languages_come_to_the_same(undisturbed: dict[str, Undisturbed]) -> None:
    for each in undisturbed.values():
        assert each.answer["output"] == "all done"
        assert each.answer["usage"] == [8, 80, 8, 88]
        assert len(each.questions) == 8
        assert set(each.tool_calls) == {
            *("c1", "c2", "c3/n1", "c3/n2", "c4", "c6", "c7", "c8", "c9"),
        }
        assert set(each.tool_calls.values()) == {1}
        assert len([moment for moment in each.moments if worth_a_kill(moment)]) > 60
        assert len(each.history) == 20
    one, other = undisturbed.values()
    assert alike(one.history) == alike(other.history)
    assert {name: alike(items) for name, items in one.questions.items()} == {
        name: alike(items) for name, items in other.questions.items()
    }


@dataclass(frozen=True)
class Sweep:
    """Kills at moments, and looks at what other workers make of it."""

    world: World
    staff: dict[str, Driver]
    undisturbed: dict[str, Undisturbed]
    capsys: pytest.CaptureFixture[str]

    def of(self, first: str, second: str, moments: list[str]) -> None:
        """Kill a worker of the first language at each moment; one of the second finishes."""

        def one(moment: str) -> "Counter[str] | str":
            number = next(self.world.numbers)
            case = Case(self.world, f"{first}.{second}.{number}", moment, stream=bool(number % 2))
            try:
                case.kill(first)
                case.finish(self.staff[second])
                return case.check(self.undisturbed[first])
            except (AssertionError, TimeoutError) as error:
                return f"{moment}: {error}"[:1000]

        with ThreadPoolExecutor(AT_A_TIME) as pool:
            found = list(pool.map(one, moments))
        failures = [each for each in found if isinstance(each, str)]
        assert not failures, "\n".join([f"{len(failures)} of {len(moments)} moments:", *failures])
        total = sum((each for each in found if not isinstance(each, str)), Counter[str]())
        with self.capsys.disabled():
            print(
                f"\nsweep: {len(moments)} runs killed in {first}, finished in {second};"
                f" {total['models again']} model calls and {total['tools again']} tool calls in"
                f" flight made again, {total['unknown']} of unknown outcome"
            )


@pytest.fixture
def sweep(
    world: World,
    staff: dict[str, Driver],
    undisturbed: dict[str, Undisturbed],
    capsys: pytest.CaptureFixture[str],
) -> Sweep:
    return Sweep(world, staff, undisturbed, capsys)


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_run_survives_a_kill_at_every_moment(sweep: Sweep, first: str, second: str) -> None:
    """Each moment is one pair's; over the pairs a run of Python has all of them.

    A run of TypeScript has every other one: a process of Node takes a second of a processor.
    """
    moments = [moment for moment in sweep.undisturbed[first].moments if worth_a_kill(moment)]
    place = PAIRS.index((first, second))
    every = len(PAIRS) * (2 if first == "typescript" else 1)
    sweep.of(first, second, moments[place::every])


@pytest.mark.soak
@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_run_survives_a_kill_at_every_moment_of_every_pair(
    sweep: Sweep, first: str, second: str
) -> None:
    sweep.of(first, second, sweep.undisturbed[first].moments)


class Case:
    """One run, which is killed at one moment."""

    def __init__(self, world: World, run: str, moment: str, *, stream: bool) -> None:
        self.world = world
        self.story = long_story(world.server, run)
        self.moment = moment.replace("RUN", run)
        self.stream = stream
        self.done: set[str] = set()

    def kill(self, language: str) -> None:
        """Begin the run and kill its process at the moment."""
        held = self.moment.removeprefix("asked ") if self.moment.startswith("asked ") else None
        self.story.tell(hold=held)
        worker = self.world.hire(language, kill=self.moment)
        running = worker.send("run", **told(self.story, stream=self.stream))
        if held:
            self.world.server.wait_until_held(held, GATE, timeout_seconds=60)
            worker.kill()
        with suppress(DriverDiedError):
            came_to = running.wait()
            raise AssertionError(f"the moment did not come; the run came to {came_to}")
        steps = self.world.steps(self.story.run)
        self.done = {key for key, step in steps.items() if step["status"] != "started"}
        self.killed = worker.pid
        self.world.bury(worker)

    def finish(self, worker: Driver) -> None:
        """Let another worker go on with it."""
        self.answer = success(worker.ask("run", **told(self.story, stream=self.stream)))
        self.answer.pop("moments")

    def check(self, undisturbed: Undisturbed) -> "Counter[str]":
        """Compare what came of it with a run that nobody disturbed; return figures."""
        steps = self.world.steps(self.story.run)
        self.unknown = {
            key.partition("/")[2] for key, step in steps.items() if step["status"] == "unknown"
        }
        assert self.answer == undisturbed.answer
        self._check_history(undisturbed.history)
        self._check_model(undisturbed.questions)
        self._check_tools(undisturbed.tool_calls)
        again = starts(self.world.tool_calls(self.story.run)) - undisturbed.tool_calls
        figures = {
            "models again": len(self.story.requests()) - len(undisturbed.questions),
            "tools again": sum(again.values()),
            "unknown": len(self.unknown),
        }
        self.story.forget()
        return Counter(figures)

    def _check_history(self, undisturbed: list[Json]) -> None:
        found = alike(self.world.history(self.story.run), self.unknown)
        for one, other in zip_longest(found, alike(undisturbed, self.unknown)):
            assert one == other, f"the session has {one}, not {other}"

    def _check_model(self, undisturbed: dict[str, list[Json]]) -> None:
        asked = list(questions(self.story))
        assert len(asked) <= len(undisturbed) + 1, f"{len(asked)} model calls"
        for name, items in asked:
            expected = alike(undisturbed[name], self.unknown)
            for one, other in zip_longest(alike(items, self.unknown), expected):
                assert one == other, f"the model was asked {one}, not {other}"
        answered = {
            script for script, _ in self.story.scripts() if self._model_key(script) in self.done
        }
        again = {
            entry["script"]
            for entry in self.story.requests()
            if worker_of(entry) != str(self.killed)
        }
        assert not again & answered, "a recorded model call was made again"

    def _model_key(self, script: str) -> str:
        """Return the key under which the answer of a script is recorded."""
        inner = script.startswith(f"{self.story.run}.inner-")
        names = [name for name, _ in self.story.scripts() if (".inner-" in name) == inner]
        return f"m:{'/c3' if inner else ''}:{names.index(script)}"

    def _check_tools(self, undisturbed: "Counter[str]") -> None:
        calls = self.world.tool_calls(self.story.run)
        begun = starts(calls)
        assert set(begun) <= set(undisturbed)
        missing = set(undisturbed) - set(begun)
        assert not missing - self.unknown, f"never called: {missing}"
        assert sum(begun.values()) <= sum(undisturbed.values()) + IN_FLIGHT, (
            f"too many calls: {begun}"
        )
        for each in calls:
            key = f"t:/{each['key'].partition('/')[2]}"
            repeated = key in self.done and each["pid"] != self.killed
            assert not repeated, f"a recorded call was made again: {each}"
        once = {each["key"].partition("/")[2] for each in calls if each["tool"] in AT_MOST_ONCE}
        twice = {place for place in once if begun[place] > 1}
        assert not twice, f"called twice: {twice}"


def worker_of(entry: Any) -> str:
    return cast("dict[str, str]", entry["headers"])["x-worker"]


def alike(items: list[Json], unknown: Container[str] = ()) -> list[Json]:
    """Return items without what the SDKs write differently by themselves.

    The TypeScript SDK leaves out the ids of calls, names the status of outputs, and writes no
    blank into the output of a handoff. A call whose outcome nobody knows has told the model so,
    in place of what it returned.
    """
    return [_alike(item, unknown) for item in items]


def _alike(item: Json, unknown: Container[str]) -> Json:
    if item.get("type") == "function_call":
        return {name: value for name, value in item.items() if name != "id"}
    if item.get("type") == "function_call_output":
        output = "unknown" if item["call_id"] in unknown else item["output"]
        kept = {name: value for name, value in item.items() if name != "status"}
        return {**kept, "output": output.replace('{"assistant": ', '{"assistant":')}
    return item
