"""Workers of both languages that are killed at random, on a database that is restarted.

What happened is told by those who were asked: the model server and the tools.
"""

# What the tests of the Python package share is found by pytest alone.

import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from support.postgres import clean_environment, new_data_folder, new_database
from support.waiting import until
from timestep.testing import ModelServer

from ..processes import Driver, Pending
from .own_server import OwnServer, own_server
from .story import Story, call, says
from .world import Spares, World, success

Json = dict[str, Any]
COMPANY = "fleet"
CREW = ("python", "python", "python", "typescript", "typescript")
TOOLS = ("look", "mail", "look", "mail")
WORK_SECONDS = {"look": 0.05, "mail": 0.05}
QUEUES = {"agents": {"worker_concurrency": 5, "polling_seconds": 0.1}}
LEASE_SECONDS = 8.0  # a busy machine may keep a living worker from its heartbeat for a while
COPIES = 20
RECOVERY_SECONDS = 20.0  # after an outage, until all runs have an owner again
GRACE_SECONDS = 0.005  # between the clocks of the database and of a process


@dataclass
class Fleet:
    """What happens to the workers while runs are under way."""

    world: World
    server: OwnServer
    stories: list[Story]
    chance: random.Random
    languages: dict[int, str] = field(default_factory=dict[int, str])
    killed: dict[int, float] = field(default_factory=dict[int, float])
    outages: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    asked: list[Pending] = field(default_factory=list[Pending])

    def hire(self, language: str) -> Driver:
        worker = self.world.hire(
            language,
            lease_seconds=LEASE_SECONDS,
            companies=[COMPANY],
            work_seconds=WORK_SECONDS,
            queues=QUEUES,
        )
        self.languages[worker.pid] = language
        return worker

    def kill_one(self) -> None:
        """Kill any worker with -9, and put another one in its place."""
        worker = self.chance.choice(self.world.workers)
        worker.kill()
        self.killed[worker.pid] = time.time()
        self.world.workers.remove(worker)
        self.hire(self.languages[worker.pid])

    def restart_database(self) -> None:
        began = time.time()
        self.server.restart(crash=bool(self.outages))
        self.outages.append((began, time.time()))

    def begin(self) -> None:
        """Queue two thirds of the runs, for both languages, and begin the others at once."""
        queued = [story.run for number, story in enumerate(self.stories) if number % 3]
        for number, runtime in enumerate(("python", "typescript")):
            clerk = self.world.workers[-number]
            success(clerk.ask("queue", company=COMPANY, runs=queued[number::2], runtime=runtime))
        for number, story in enumerate(self.stories[::3]):
            self.ask_for(story, self.world.workers[number % len(self.world.workers)])

    def ask_for(self, story: Story, worker: Driver) -> None:
        command = {"run": story.run, "company": COMPANY, "session": story.run}
        self.asked.append(worker.send("run", **command))

    def disturb(self, *, kills: int, restarts: int) -> None:
        """Spread the disturbances over the calls of tools, and wait for all runs."""
        total = len(self.stories) * len(TOOLS)
        events = ["kill"] * kills + ["restart"] * restarts
        self.chance.shuffle(events)
        for number, event in enumerate(events):
            reached = total * (number + 1) // (len(events) + 2)
            until(lambda reached=reached: self.calls_ended() >= reached, seconds=120)
            if event == "kill":
                self.kill_one()
            else:
                self.restart_database()
        until(self.all_completed, seconds=120)

    def calls_ended(self) -> int:
        return self.world.journal.read_text().count('"end"')

    def all_completed(self) -> bool:
        rows = self.world.rows("select run_id, status, error from timestep.runs")
        failed = [row for row in rows if row["status"] in ("failed", "cancelled", "interrupted")]
        assert not failed, failed
        there = {row["run_id"] for row in rows}
        for story in self.stories:
            # its worker died before the run was made: who asked asks again
            if story.run not in there:
                self.ask_for(story, self.chance.choice(self.world.workers))
        completed = sum(row["status"] == "completed" for row in rows)
        time.sleep(0.2)
        return completed == len(self.stories)


@dataclass(frozen=True, order=True)
class Act:
    """Something that a worker did for a run, as others have noted it."""

    began: float
    ended: float | None
    worker: int
    what: str


def story_of(server: ModelServer, run: str) -> Story:
    """Return three turns with two parallel tools each but for the last."""
    return Story(
        server,
        run,
        turns=[
            says(call("look", "c1", n=1), call("mail", "c2", n=2)),
            says(call("look", "c3", n=3), call("mail", "c4", n=4)),
            says("done"),
        ],
    )


@pytest.fixture
def own_postgres() -> Iterator[OwnServer]:
    with new_data_folder() as folder, own_server(folder, clean_environment()) as server:
        yield server


@pytest.fixture
def playing(
    own_postgres: OwnServer,
    model_server: ModelServer,
    spares: Spares,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., None]:
    """Lets a fleet work, once it is told how many runs, kills and restarts there are."""
    return partial(play, own_postgres, model_server, spares, tmp_path, capsys)


def test_a_fleet_finishes_what_it_began(playing: Callable[..., None]) -> None:
    playing(runs=24, kills=2, restarts=1)


@pytest.mark.soak
def test_a_large_fleet_finishes_what_it_began(playing: Callable[..., None]) -> None:
    playing(runs=200, kills=12, restarts=2)


def play(
    server: OwnServer,
    model: ModelServer,
    spares: Spares,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    runs: int,
    kills: int,
    restarts: int,
) -> None:
    """Let a fleet work under disturbances, and look at what it did."""
    journal = folder / "journal"
    journal.touch()
    began = time.monotonic()
    with new_database(server.url) as url:
        stories = [story_of(model, f"fleet.{number}") for number in range(runs)]
        for story in stories:
            story.tell(copies=COPIES)
        fleet = Fleet(World(url, model, journal, spares), server, stories, random.Random(runs))
        try:
            for language in CREW:
                fleet.hire(language)
            fleet.begin()
            fleet.disturb(kills=kills, restarts=restarts)
            figures = [Inspection(fleet, story).check() for story in stories]
            for worker in fleet.world.workers:
                success(worker.ask("wait", run=stories[0].run))
        finally:
            fleet.world.dismiss()
    total = sum(figures, Counter[str]())
    with capsys.disabled():
        print(
            f"\nfleet: {runs} runs completed by {len(CREW)} workers in"
            f" {time.monotonic() - began:.0f} s; {kills} killed, PostgreSQL restarted {restarts}"
            f" times; {total['taken over']} takeovers, {total['changed language']} of them into the"
            f" other language; {total['models again']} model calls and {total['tools again']} tool"
            f" calls in flight made again, {total['unknown']} of unknown outcome"
        )


class Inspection:
    """What one run's witnesses say."""

    def __init__(self, fleet: Fleet, story: Story) -> None:
        self.fleet = fleet
        self.story = story
        self.steps = fleet.world.steps(story.run)
        self.calls = fleet.world.tool_calls(story.run)
        self.requests = story.requests()

    def check(self) -> "Counter[str]":
        """Return figures of the run, which must have gone as it should."""
        self._nothing_completed_repeats()
        self._mails_were_sent_once()
        self._one_owner_at_a_time()
        self._session_is_whole()
        workers = [act.worker for act in self._acts()]
        changes = [(one, two) for one, two in pairwise(workers) if one != two]
        languages = self.fleet.languages
        begun = Counter(each["key"] for each in self.calls if each["what"] == "start")
        return Counter(
            {
                "models again": len(self.requests) - len(self.story.turns),
                "tools again": sum(times - 1 for times in begun.values()),
                "unknown": sum(step["status"] == "unknown" for step in self.steps.values()),
                "taken over": len(changes),
                "changed language": sum(languages[one] != languages[two] for one, two in changes),
            }
        )

    def _nothing_completed_repeats(self) -> None:
        for each in self.calls:
            step = self.steps[f"t:/{each['key'].partition('/')[2]}"]
            late = each["what"] == "start" and each["at"] > step["ended"] + GRACE_SECONDS
            assert not late, f"{each} although it was recorded at {step['ended']}"
        for number, (script, _) in enumerate(self.story.scripts()):
            recorded = self.steps[f"m::{number}"]["ended"]
            asked = [e["at"] / 1000 for e in self.requests if e["script"] == script]
            assert asked
            assert max(asked) < recorded + GRACE_SECONDS, f"{script} was asked for again"

    def _mails_were_sent_once(self) -> None:
        sent = Counter(
            each["key"] for each in self.calls if each["what"] == "start" and each["tool"] == "mail"
        )
        assert not [key for key, times in sent.items() if times > 1], sent
        for place in ("c1", "c2", "c3", "c4"):
            step = self.steps[f"t:/{place}"]
            ended = any(
                each["what"] == "end" and each["key"].endswith(f"/{place}") for each in self.calls
            )
            assert ended or step["status"] == "unknown", f"{place} was never called"

    def _one_owner_at_a_time(self) -> None:
        acts = self._acts()
        for act in acts:
            if act.ended is None or act.worker in self.fleet.killed:
                continue
            others = [a for a in acts if a.worker != act.worker and act.began < a.began < act.ended]
            assert not others, f"{others} while {act}"
        newest: dict[int, float] = defaultdict(float)
        for before, act in pairwise(acts):
            newest[before.worker] = before.began
            returned = newest[act.worker] > 0 and before.worker != act.worker
            if returned:
                assert self._was_disturbed(before, act), f"{act} after {before}: two owners"

    def _was_disturbed(self, before: Act, act: Act) -> bool:
        """Return whether there was a reason for a run to go back to who had it before."""
        died = self.fleet.killed.get(before.worker)
        outage = any(
            begin < act.began and before.began < end + RECOVERY_SECONDS
            for begin, end in self.fleet.outages
        )
        return outage or (died is not None and died < act.began)

    def _session_is_whole(self) -> None:
        items = self.fleet.world.history(self.story.run)
        kinds = [item.get("call_id") or item["role"] for item in items]
        assert sorted(kinds) == sorted(["user", *2 * ["c1", "c2", "c3", "c4"], "assistant"]), kinds

    def _acts(self) -> list[Act]:
        ends = {
            (each["key"], each["pid"]): each["at"] for each in self.calls if each["what"] == "end"
        }
        calls = [
            Act(each["at"], ends.get((each["key"], each["pid"])), each["pid"], each["key"])
            for each in self.calls
            if each["what"] == "start"
        ]
        models = [
            Act(each["at"] / 1000, None, int(each["headers"]["x-worker"]), str(each["script"]))
            for each in self.requests
        ]
        return sorted([*calls, *models], key=lambda act: act.began)
