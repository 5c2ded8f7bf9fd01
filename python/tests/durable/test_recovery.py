"""Processes that die, and what the next one makes of their runs."""

import json

import pytest
from support.durable import Company, call, says

STEPS = [
    says(call("look", "c1", n=1), call("mail", "c2", n=2)),
    says(call("research", "c3", input="?"), call("look", "c4", n=4)),
    says(call("fetch", "n1", n=5)),
    says("found"),
    says(call("look", "c5", n=5), call("mail", "c6", n=6)),
    says(call("transfer_to_billing", "c7")),
    says(call("look", "c8", n=8), call("refund", "c9", n=9)),
    says("all done"),
]
TOOLS = {"w/c1", "w/c2", "w/c3/n1", "w/c4", "w/c5", "w/c6", "w/c8", "w/c9"}


def session_rows(company: Company) -> list[tuple]:
    rows = company.rows(
        "select type, role, call_id, document from timestep.session_items order by item_id"
    )
    unknown = company.rows("select call_id from timestep.steps where status = 'unknown'")
    # what is told of a call whose outcome is unknown is not what an undisturbed call returns
    return [
        row[:3] if (row[2],) in unknown and row[0] == "function_call_output" else row
        for row in rows
    ]


def check(company: Company, answer: dict, undisturbed: dict) -> None:
    """Check a disturbed run against one that was not disturbed."""
    assert {**answer, "turns": 0} == undisturbed["answer"]
    for found, expected in zip(session_rows(company), undisturbed["session"], strict=True):
        assert found == expected[: len(found)]
    assert company.model_calls <= len(STEPS) + 1
    ended = [effect[2] for effect in company.effects("end")]
    assert set(ended) <= TOOLS
    repeated = {key for key in ended if ended.count(key) > 1}
    recorded_twice = company.rows("select count(*) - count(distinct key) from timestep.steps")
    assert recorded_twice == [(0,)]
    assert len(repeated) <= 2, "only what was in flight may be made again"
    mails = [effect[2] for effect in company.effects("start", "mail")]
    assert len(mails) == len(set(mails)), "a mail was sent twice"


@pytest.fixture(scope="module")
def undisturbed() -> dict:
    return {}


def one_run(company: Company, undisturbed: dict, kill: str) -> bool:
    """Kill a run at a moment and let another process finish it; False: it ended before."""
    company.script(*STEPS)
    killed = company.run_killed(kill, workflow_id="w", session_id="s")
    if killed:
        company.rewind_script()
    answer = company.run("run", workflow_id="w", session_id="s")
    if killed:
        check(company, answer, undisturbed)
    else:
        undisturbed.update(answer=answer, session=session_rows(company))
    return killed


def test_a_run_that_is_not_disturbed(company: Company, undisturbed: dict) -> None:
    assert not one_run(company, undisturbed, "never:0")
    assert undisturbed["answer"]["output"] == "all done"
    assert len(undisturbed["session"]) == 20


# conformance/durable kills at every moment; here are some of each kind
@pytest.mark.parametrize("kill", ["inside:2", "inside:8", "before:12", "after:20", "before:34"])
def test_a_run_that_is_killed_is_finished_by_another_process(
    company: Company, undisturbed: dict, kill: str
) -> None:
    assert one_run(company, undisturbed, kill)


def test_the_loop_goes_on_from_the_last_turn(company: Company) -> None:
    """The turns before are not run again, and the model is asked just what it would have been."""
    company.script(*STEPS)
    company.run("run", workflow_id="whole", session_id="a")
    asked = [
        json.loads(each["body"])["input"] for each in company.server.requests(company.script_id)
    ]
    company.script(*STEPS)
    assert company.run_killed("inside:7", workflow_id="w", session_id="b")
    company.rewind_script()
    answer = company.run("run", workflow_id="w", session_id="b")
    assert answer["output"] == "all done"
    # recorded: the turn in flight (its call of look was under way); asked: the last turn
    assert answer["turns"] == 2
    again = [
        json.loads(each["body"])["input"] for each in company.server.requests(company.script_id)
    ]
    assert again == asked[-1:]


@pytest.mark.soak
@pytest.mark.parametrize("moment", [f"{w}:{n}" for n in range(1, 46) for w in ("before", "after")])
def test_a_run_survives_a_kill_at_every_statement(
    company: Company, undisturbed: dict, moment: str
) -> None:
    if not undisturbed:
        one_run(company, undisturbed, "never:0")
        company.run("removed", workflow_id="w", session_id="s")
        company.rows("delete from timestep.sessions returning session_id")
        company.effects_file.write_text("")
        company.asked = 0
    one_run(company, undisturbed, moment)


def test_a_run_starts_although_dbos_knows_its_id_from_before(company: Company) -> None:
    company.script(says("one"), says("two"))
    company.run("run", workflow_id="w")
    company.rows("delete from timestep.runs returning run_id")
    assert company.run("run", workflow_id="w")["output"] == "two"
