"""Runs of many turns are run in stretches, and nobody can tell."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.durable import Company, answer_of, call, says
from support.forkserver import ForkServer
from timestep.durable.stretches import TURNS
from timestep.testing import ModelServer

PROGRAM = Path(__file__).parent / "long_runs.py"
WHOLE = 1_000_000
LONG = 2 * TURNS + 4
# the key of a prompt cache is new in every run, or comes from its session
KEY = "'agents-sdk:(run|session):[0-9a-f]+', 'key'"
SAVED = (
    "select version, status, run_status, agent, turn, requests, total_tokens, not_portable_reason,"
    f" regexp_replace(envelope, {KEY}), regexp_replace(native, {KEY})"
    " from timestep.run_states where run_id = %s order by version"
)
JOURNAL = (
    "select key, kind, agent, name, call_id, arguments, body, segment from timestep.steps"
    " where run_id = %s order by key"
)
SESSION = (
    "select type, role, call_id, document from timestep.session_items where session_id = %s"
    " order by item_id"
)


@pytest.fixture(scope="module")
def programs() -> Iterator[ForkServer]:
    with ForkServer(PROGRAM) as server:
        yield server


class Office(Company):
    """A company whose workers have long runs."""

    def told(self, command: str, **options: Any) -> Any:
        """Return the answer of a worker that had no error."""
        worker = self.worker(command, **options)
        answer = answer_of(worker)
        assert isinstance(answer, list) or "error" not in answer, answer
        return answer

    def several(self, *calls: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the answers of one worker to several commands."""
        return self.told("several", calls=calls)

    def of(self, sql: str, name: str) -> list[tuple[Any, ...]]:
        """Return the rows of a run or of a session."""
        return self.rows(sql.replace("%s", f"'{name}'"))

    def session(self) -> list[tuple[Any, ...]]:
        return self.of(SESSION, "s")

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


@pytest.mark.parametrize("session", [False, True], ids=["no session", "a session"])
@pytest.mark.parametrize("name", CASES)
def test_a_long_run_is_just_like_one_that_is_not_cut(
    office: Office, name: str, session: bool
) -> None:
    cuts, case = CASES[name]

    def options(name: str, **more: Any) -> dict[str, Any]:
        return {**case, **more, "session_id": f"session of {name}" if session else None}

    plain, whole, cut = office.several(
        ("plain", options("plain")),
        ("durable", options("whole", workflow_id="whole", turns_in_one=WHOLE)),
        ("durable", options("cut", workflow_id="cut")),
    )
    assert cut == {**whole, "cuts": cuts}
    assert office.of(JOURNAL, "cut") == office.of(JOURNAL, "whole")
    assert office.of(SAVED, "cut") == office.of(SAVED, "whole")
    assert office.of(SESSION, "session of cut") == office.of(SESSION, "session of whole")
    assert len(office.of(SAVED, "cut")) == len(case.get("pay_at", []))
    if not case.get("pay_at"):  # a state that was saved has the members of items in another order
        assert cut == {**plain, "cuts": cuts}
        assert office.of(SESSION, "session of cut") == office.of(SESSION, "session of plain")
    assert bool(office.of(SESSION, "session of cut")) == session


def test_a_run_that_may_not_go_on_says_so_as_if_it_was_not_cut(office: Office) -> None:
    # turns that are allowed, and how often the run is cut by then
    limits = {TURNS - 1: 0, TURNS: 1, TURNS + 1: 1, 2 * TURNS: 2, 2 * TURNS + 1: 2}
    given = [{"turns": LONG, "max_turns": limit} for limit in limits]
    plain = office.several(*(("plain", each) for each in given))
    found = office.several(
        *(("durable", {**each, "workflow_id": f"{n}"}) for n, each in enumerate(given))
    )
    assert [each["cuts"] for each in found] == list(limits.values())
    assert [{**each, "cuts": 0} for each in found] == plain
    errors = [each["results"][0] for each in found]
    assert all("MaxTurnsExceeded" in each["error"] for each in errors)
    assert [each["responses"] for each in errors] == list(limits)


SPECIALS = [
    "hooks", "agent hooks", "error handlers", "input guardrail", "output guardrail", "tool use",
    "filter", "namesake", "model", "model input filter", "nested history", "reasoning ids",
    "config guardrail",
]  # fmt: skip


def test_a_run_that_could_tell_is_not_cut(office: Office) -> None:
    """Hooks, guardrails, filters, and models see what they see without stretches, as often."""
    cases = {
        special: {
            "turns": LONG,
            "max_turns": LONG,  # a history that is nested makes the model begin anew
            "special": special,
            # two recorded models are told of the end of the run where there was one before
            "hand_over_at": 5 * (special != "model"),
        }
        for special in SPECIALS
    }
    plain = office.several(*(("plain", case) for case in cases.values()))
    found = office.several(
        *(("durable", {**case, "workflow_id": special}) for special, case in cases.items())
    )
    for special, one, other in zip(cases, plain, found, strict=True):
        for answer in (one, other):
            for result in answer["results"]:
                result.pop("state", None)  # it names tools that are recorded
        assert other == one, special
        assert one["cuts"] == 0
        assert bool(one["hooks"]) == (special in ("hooks", "agent hooks", "model")), special


def test_a_runner_of_somebody_else_runs_a_loop_once(office: Office) -> None:
    found = office.told("durable", workflow_id="w", turns=LONG, own_runner=True)
    assert found["hooks"] == ["run lead"]
    assert found["cuts"] == 0


def test_a_run_is_not_cut_with_an_sdk_that_is_made_otherwise() -> None:
    program = (
        "import agents, agents.run_internal.items as items; del items.normalize_resumed_input;"
        "from timestep.durable import stretches; print(stretches._can_cut)"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert told.stdout.split() == [b"False"]


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
    requests, rows = asked(office), office.session()
    office.forget()
    office.script(*journey())
    found = office.told("served", workflow_id="w", session_id=session_id)
    assert found.pop("cuts") == 2
    assert {**found, "cuts": 0} == plain
    assert asked(office) == requests
    assert len(requests) == len(journey())
    assert office.session() == rows
    assert bool(rows) == (session_id is not None)


def test_an_agent_as_a_tool_pauses_behind_a_cut(office: Office) -> None:
    steps = [says(call("add", f"c{n}", number=n)) for n in range(1, LONG)]
    asks = says(call("ask_helper", "h", input="?"), call("add", "b", number=0))
    steps[TURNS + 3 : TURNS + 3] = [asks, says(call("pay", "p", number=1)), says("helped")]
    found: list[Any] = []
    for turns_in_one in (WHOLE, TURNS):
        office.script(*steps, says("done"))
        answer = office.told("served", workflow_id="w", turns_in_one=turns_in_one)
        assert answer.pop("cuts") == (2 if turns_in_one == TURNS else 0)
        assert answer["output"] == "done"
        found.append([answer, asked(office), office.of(SAVED, "w"), office.of(JOURNAL, "w")])
        office.forget()
    assert found[1] == found[0]
    assert len(found[1][2]) == 1


KILLS = ["cut:1", "cut:2", f"tool:{TURNS}", f"tool:{TURNS + 5}", f"tool:{2 * TURNS + 8}"]


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, Any]:
    """What there was to see of the run that nobody killed, once it was made."""
    return {}


@pytest.mark.parametrize("kill", KILLS)
def test_a_run_that_was_cut_is_finished_by_another_process(
    office: Office, undisturbed: dict[str, Any], kill: str
) -> None:
    if not undisturbed:
        office.script(*journey())
        assert office.told("served", workflow_id="whole", session_id="s")["output"] == "done"
        undisturbed |= {"asked": list(map(json.loads, asked(office))), "rows": office.session()}
        undisturbed["made"] = office.effects_file.read_text().splitlines()
        office.forget()
    office.script(*journey())
    worker = office.worker("served", kill=kill, workflow_id="w", session_id="s")
    assert worker.wait() == -9, worker.errors
    assert office.told("served", workflow_id="w", session_id="s")["output"] == "done"
    # a state that was rebuilt has the members of items in another order
    assert list(map(json.loads, asked(office))) == undisturbed["asked"]
    assert office.session() == undisturbed["rows"]
    made = office.effects_file.read_text().splitlines()
    again = len(made) - len(undisturbed["made"])
    assert again <= 2 * kill.startswith("tool"), "only what was under way is made again"
    assert set(made) == set(undisturbed["made"])
