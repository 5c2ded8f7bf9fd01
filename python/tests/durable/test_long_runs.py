"""Runs of many turns are run in stretches, and nobody can tell."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.durable import Company, answer_of, call, says
from support.forkserver import Child, ForkServer
from support.postgres import clean_environment
from timestep.durable.stretches import TURNS
from timestep.testing import ModelServer

PROGRAM = Path(__file__).parent / "long_runs.py"
WHOLE = 1_000_000
LONG = 2 * TURNS + 4
# the key of a prompt cache is new in every run that has no session
SAVED = (
    "select version, status, run_status, agent, turn, requests, total_tokens, not_portable_reason,"
    " regexp_replace(envelope, 'agents-sdk:run:[0-9a-f]+', 'key'),"
    " regexp_replace(native, 'agents-sdk:run:[0-9a-f]+', 'key')"
    " from timestep.run_states where run_id = 'w' order by version"
)
JOURNAL = "select key, kind, agent, name, call_id, arguments, body, segment from timestep.steps"
SESSION = "select type, role, call_id, document from timestep.session_items where session_id = '{}'"


@pytest.fixture(scope="module")
def programs() -> Iterator[ForkServer]:
    with ForkServer(PROGRAM) as server:
        yield server


class Office(Company):
    """A company whose workers have long runs."""

    def worker(self, command: str, *, kill: str = "", lease: float = 3, **options: Any) -> Child:
        environment = clean_environment(
            PG_CONNECTION_URI=self.url,
            OPENAI_API_KEY=self.server.api_key(self.script_id),
            OPENAI_BASE_URL=self.server.url,
            EFFECTS=str(self.effects_file),
            KILL=kill or "never:0",
        )
        return self.workers.start([command, json.dumps(options)], environment, self.folder)

    def told(self, command: str, **options: Any) -> Any:
        """Return the answer of a worker that had no error."""
        worker = self.worker(command, **options)
        answer = answer_of(worker)
        assert "error" not in answer, answer
        return answer

    def session(self, session_id: str) -> list[tuple[Any, ...]]:
        return self.rows(f"{SESSION.format(session_id)} order by item_id")

    def forget(self) -> None:
        """Forget every run."""
        for table in ("approvals", "run_states", "runs", "sessions"):
            self.rows(f"delete from timestep.{table} returning 1")
        self.rows("delete from dbos.workflow_status returning 1")
        self.effects_file.write_text("")


@pytest.fixture
def office(
    database_url: str,
    model_server: ModelServer,
    programs: ForkServer,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Office:
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)
    return Office(database_url, model_server, programs, tmp_path, name)


def without(results: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [{k: v for k, v in each.items() if k not in names} for each in results]


# runs, and how often they are cut
CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "just tools": (2, {"turns": LONG}),
    "a handoff": (2, {"turns": LONG, "hand_over_at": TURNS + 3}),
    "a handoff where it would be cut": (2, {"turns": LONG, "hand_over_at": TURNS}),
    "the last turn where it would be cut": (0, {"turns": TURNS}),
    "one turn more": (1, {"turns": TURNS + 1}),
    "an output type": (2, {"turns": LONG, "typed": True, "hand_over_at": 4}),
    "pauses": (1, {"turns": LONG, "pay_at": [3, 2 * TURNS]}),
    "pauses after a handoff": (2, {"turns": LONG, "hand_over_at": 5, "pay_at": [TURNS + 1]}),
}


@pytest.mark.parametrize("session_id", [None, "s"])
@pytest.mark.parametrize("name", CASES)
def test_a_long_run_is_just_like_one_that_is_not_cut(
    office: Office, name: str, session_id: str | None
) -> None:
    cuts, case = CASES[name]
    plain = office.told("plain", session_id=session_id, **case)
    rows = office.session("s")
    office.forget()
    found: list[Any] = []
    for turns_in_one in (WHOLE, TURNS):
        answer = office.told(
            "durable", workflow_id="w", session_id=session_id, turns_in_one=turns_in_one, **case
        )
        assert answer.pop("cuts") == (cuts if turns_in_one == TURNS else 0)
        journal, saved = office.rows(f"{JOURNAL} order by key"), office.rows(SAVED)
        assert len(saved) == len(case.get("pay_at", []))
        found.append([answer, journal, saved, office.session("s")])
        office.forget()
    assert found[1] == found[0]
    if not case.get("pay_at"):  # what was saved and loaded is a little different everywhere
        assert {**answer, "cuts": 0} == plain
    assert [row[:3] for row in found[1][3]] == [row[:3] for row in rows]


# turns that are allowed, and how many stretches those are
LIMITS = [(TURNS - 1, 0), (TURNS, 1), (TURNS + 1, 1), (2 * TURNS, 2), (2 * TURNS + 1, 2)]


@pytest.mark.parametrize(("max_turns", "cuts"), LIMITS)
def test_a_run_that_may_not_go_on_says_so_as_if_it_was_not_cut(
    office: Office, max_turns: int, cuts: int
) -> None:
    plain = office.told("plain", turns=LONG, max_turns=max_turns)
    found = office.told("durable", workflow_id="w", turns=LONG, max_turns=max_turns)
    assert found.pop("cuts") == cuts
    assert {**found, "cuts": 0} == plain
    assert "MaxTurnsExceeded" in found["results"][0]["error"]
    assert len(found["results"][0]["items"]) > 2 * max_turns


SPECIALS = [
    "hooks", "agent hooks", "error handlers", "input guardrail", "output guardrail", "tool use",
    "filter", "namesake", "model", "model input filter", "nested history", "reasoning ids",
    "config guardrail",
]  # fmt: skip


@pytest.mark.parametrize("special", SPECIALS)
def test_a_run_that_could_tell_is_not_cut(office: Office, special: str) -> None:
    """Hooks, guardrails, filters, and models see what they see without stretches, as often."""
    # two recorded models are told of the end of the run where there was one before
    case = {"turns": LONG, "special": special, "hand_over_at": 0 if special == "model" else 5}
    plain = office.told("plain", **case)
    found = office.told("durable", workflow_id="w", **case)
    assert found["cuts"] == 0
    assert without(found.pop("results"), "state") == without(plain.pop("results"), "state")
    assert found == plain
    assert bool(found["hooks"]) == (special in ("hooks", "agent hooks", "model"))


def test_a_long_run_is_one_trace(office: Office) -> None:
    case = {"turns": LONG, "traced": True}
    plain = office.told("plain", **case)["spans"]
    found = office.told("durable", workflow_id="w", **case)["spans"]
    assert plain == [plain[0], ["agent", "lead"], ["end of trace"]]
    assert found == [plain[0], *[["agent", "lead"]] * 3, ["end of trace"]]


def journey() -> list[Any]:
    """Return what the model says in a run with everything that may be in a turn."""
    steps: list[Any] = []
    for n in range(1, LONG):
        if n == TURNS + 2:
            steps += [says(call("ask_helper", f"c{n}", input="?"), call("add", f"d{n}", number=n))]
            steps += [says(call("find", "n1", number=1)), says("helped")]
        elif n == TURNS + 4:
            steps += [says(call("transfer_to_second", f"c{n}"))]
        elif n % 3 == 0:
            steps += [says(call("find", f"c{n}", number=n), call("add", f"d{n}", number=n))]
            steps[-1]["output"].insert(0, {"type": "reasoning", "id": f"rs_{n}", "text": "hm"})
        else:
            steps += [says(call("add", f"c{n}", number=n))]
    return [*steps, says("done")]


def asked(office: Office) -> list[str]:
    return [request["body"] for request in office.server.requests(office.script_id)]


@pytest.mark.parametrize("session_id", [None, "s"])
def test_the_server_of_the_model_gets_the_same_bytes(
    office: Office, session_id: str | None
) -> None:
    office.script(*journey())
    plain = office.told("served", workflow_id=None, session_id=session_id)
    requests, rows = asked(office), office.session("s")
    office.forget()
    office.script(*journey())
    found = office.told("served", workflow_id="w", session_id=session_id)
    assert found.pop("cuts") == 2
    assert {**found, "cuts": 0} == plain
    assert asked(office) == requests
    assert len(requests) == len(journey())
    assert office.session("s") == rows
    assert bool(rows) == (session_id is not None)


KILLS = ["cut:1", "cut:2", f"tool:{TURNS}", f"tool:{TURNS + 5}", f"tool:{2 * TURNS + 8}"]


@pytest.mark.parametrize("kill", KILLS)
def test_a_run_that_was_cut_is_finished_by_another_process(office: Office, kill: str) -> None:
    office.script(*journey())
    undisturbed = office.told("served", workflow_id="whole", session_id="s")
    requests, rows, effects = asked(office), office.session("s"), office.effects_file.read_text()
    office.forget()

    office.script(*journey())
    worker = office.worker("served", kill=kill, workflow_id="w", session_id="s")
    assert worker.wait() == -9, worker.errors
    found = office.told("served", workflow_id="w", session_id="s")
    assert found["output"] == undisturbed["output"] == "done"
    # a state that was rebuilt has the members of items in another order
    assert list(map(json.loads, asked(office))) == list(map(json.loads, requests))
    assert office.session("s") == rows
    made = office.effects_file.read_text().splitlines()
    again = len(made) - len(effects.splitlines())
    assert again <= 2 * kill.startswith("tool"), "only what was under way is made again"
    assert set(made) == set(effects.splitlines())
