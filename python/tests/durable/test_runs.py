"""Durable runs from the outside: real processes, a real database, the scripted model."""

import json
import time

import psycopg
import pytest
from support.durable import Company, answer_of, call, says
from support.waiting import until

BLOCKED = (
    "select count(*) from pg_stat_activity"
    " where query like '%record_step_v2%' and wait_event_type = 'Lock'"
)


def test_a_run_is_recorded_step_by_step(company: Company) -> None:
    company.script(says(call("look", "c1", n=1), call("mail", "c2", n=2)), says("done"))
    answer = company.run("run", workflow_id="w")
    assert answer["status"] == "completed"
    assert answer["output"] == "done"
    keys = company.rows("select key, status from timestep.steps order by key")
    assert keys == [
        ("m::0", "done"), ("m::1", "done"), ("t:/c1", "done"), ("t:/c2", "done"),
    ]  # fmt: skip
    assert [effect[2] for effect in company.effects("end")] == ["w/c1", "w/c2"]


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_no_tool_is_called_before_the_answer_is_recorded(
    company: Company, watched: bool, stream: bool
) -> None:
    first, last = says(call("look", "c1", n=1)), says("done")
    company.script({**first, "hold": "asked"}, last)
    process = company.worker("run", workflow_id="w", watched=watched, stream=stream)
    company.server.wait_until_held(company.script_id, "asked")
    with psycopg.connect(company.url) as connection:
        connection.execute("select from timestep.runs where run_id = 'w' for update")
        company.server.release(company.script_id, "asked")
        until(lambda: company.rows(BLOCKED) == [(1,)])
        time.sleep(0.3)  # a call that does not wait would come right away
        assert company.effects() == []
    assert answer_of(process)["status"] == "completed"
    assert len(company.effects("end", "look")) == 1


def test_the_same_id_is_the_same_run_in_another_process(company: Company) -> None:
    company.script(says("done"))
    first = company.run("run", workflow_id="w")
    again = company.run("run", workflow_id="w")
    assert again == {**first, "turns": 0}
    assert company.model_calls == 1


def test_the_same_id_with_another_input_is_an_error(company: Company) -> None:
    company.script(says("done"))
    company.run("run", workflow_id="w")
    other = company.run("run", workflow_id="w", text="something else")
    assert other["error"] == "ConfigurationError"
    assert "another input" in other["message"]


def test_a_run_pauses_and_goes_on_in_another_process(company: Company) -> None:
    company.script(says(call("refund", "c1", n=1), call("look", "c2", n=2)), says("done"))
    paused = company.run("run", workflow_id="w", approve=False)
    assert paused["status"] == "interrupted"
    assert paused["interruptions"] == ["c1"]
    assert company.effects("end", "refund") == []
    answer = company.run("run", workflow_id="w")
    assert (answer["status"], answer["output"]) == ("completed", "done")
    assert len(company.effects("end", "refund")) == len(company.effects("end", "look")) == 1


def test_a_run_that_is_decided_on_at_once_goes_on_at_once(company: Company) -> None:
    company.script(says(call("refund", "c1", n=1)), says("done"))
    answer = company.run("decide_at_once", workflow_id="w")
    assert (answer["status"], answer["output"]) == ("completed", "done")
    # nobody had to take the second segment over
    assert company.rows("select workflow_id from timestep.runs") == [("w:r1",)]


def test_a_run_goes_on_from_its_state(company: Company) -> None:
    company.script(says(call("refund", "c1", n=1), call("refund", "c2", n=2)), says("done"))
    company.run("run", workflow_id="w", approve=False)
    answer = company.run("by_state", workflow_id="w", reject=["c2"])
    assert (answer["status"], answer["output"]) == ("completed", "done")
    assert [effect[2] for effect in company.effects("end", "refund")] == ["w/c1"]
    assert company.rows("select call_id, decision from timestep.tool_calls order by call_id") == [
        ("c1", "approved"), ("c2", "rejected"),
    ]  # fmt: skip


def test_a_person_may_edit_the_arguments_and_decides_once(company: Company) -> None:
    company.script(says(call("refund", "c1", n=100)), says("done"))
    company.run("run", workflow_id="w", approve=False)
    answer = company.run("edited", workflow_id="w", arguments={"n": 5})
    assert (answer["status"], answer["output"]) == ("completed", "done")
    assert "approved already" in answer["conflict"]
    assert [effect[3] for effect in company.effects("end", "refund")] == [5]
    assert company.rows("select arguments_asked, arguments_used from timestep.tool_calls") == [
        ('{"n":100}', '{"n":5}'),
    ]  # fmt: skip
    last = json.loads(company.server.requests(company.script_id)[-1]["body"])["input"]
    assert last[-2]["arguments"] == '{"n":100}'
    note, output = last[-1]["output"].splitlines()
    assert '{"n":5}' in note
    assert output == "refunded 5"


def test_what_a_tool_runs_and_cannot_be_recorded_ends_the_run(company: Company) -> None:
    company.script(says(call("ask_shell", "c1")), says("a text took the place of the refusal"))
    answer = company.run("shell_inside", workflow_id="w")
    assert (answer["error"], answer["message"].count("'shell'")) == ("NotDurableError", 1)
    assert company.rows("select key from timestep.steps") == [("m::0",)]


def test_an_approval_that_would_reach_two_calls_reaches_none(company: Company) -> None:
    company.script(
        says(call("research", "c1", input="?"), call("research", "c2", input="?")),
        says(call("risky", "x1", n=1)),
        says(call("risky", "x1", n=2)),
    )
    paused = company.run("run", workflow_id="w", approve=False)
    assert paused["interruptions"] == ["x1", "x1"]
    assert company.run("run", workflow_id="w")["error"] == "UserError"
    assert company.effects() == []


def test_a_call_whose_arguments_are_not_those_approved_is_not_made(company: Company) -> None:
    company.script(says(call("refund", "c1", n=1)), says("done"))
    company.run("run", workflow_id="w", approve=False)
    company.rows(
        "update timestep.approvals set arguments_sha256 = repeat('0', 64), status = 'approved',"
        " decided_at = now() returning call_id"
    )
    answer = company.run("run", workflow_id="w")
    assert answer["error"] in ("ArgumentsChangedError", "TimestepError")
    assert company.rows("select status, error_type from timestep.runs") == [
        ("failed", "ArgumentsChangedError")
    ]
    assert company.effects("start", "refund") == []


def test_an_approval_that_expires_is_a_rejection_and_the_run_goes_on(company: Company) -> None:
    company.script(says(call("refund", "c1", n=1)), says("done"))
    paused = company.run("run", workflow_id="w", approve=False, approval_seconds=0.5)
    assert paused["status"] == "interrupted"
    worker = company.worker("serve")
    done = "select status from timestep.runs where status = 'completed'"
    until(lambda: company.rows(done))
    worker.kill()
    assert company.rows("select status from timestep.approvals") == [("expired",)]
    last = json.loads(company.server.requests(company.script_id)[-1]["body"])["input"]
    assert "expired" in last[-1]["output"]
    assert company.effects() == []


def test_runs_whose_approvals_expired_do_not_wait_for_each_other(company: Company) -> None:
    company.script(*[says(call("refund", "c1", n=1))] * 3, *[says("done")] * 2)
    for name in ("a", "b", "c"):
        company.run("run", workflow_id=name, approve=False, approval_seconds=3600)
    sql = "update timestep.{} returning run_id"
    # one was resumed outside of its run, one expired by a process that died then
    company.rows(sql.format("run_states set status = 'done' where run_id = 'a'"))
    now = "expires_at = now() where run_id in ('a', 'b')"
    company.rows(sql.format(f"approvals set {now}"))
    expired = "status = 'expired', decided_at = now(), message = 'Too late.' where run_id = 'c'"
    company.rows(sql.format(f"approvals set {expired}"))
    worker = company.worker("serve")
    done = "select run_id from timestep.runs where status = 'completed' order by run_id"
    until(lambda: company.rows(done) == [("b",), ("c",)])
    worker.kill()
    assert company.effects() == []


def test_a_statement_that_is_lost_twice_does_not_end_the_run(company: Company) -> None:
    company.script(says(call("look", "c1", n=1)), says("done"))
    for sql in (
        "create sequence lost",
        "create function lose() returns trigger language plpgsql as $$ begin"
        " if nextval('lost') <= 2 then perform pg_terminate_backend(pg_backend_pid()); end if;"
        " return new; end $$",
        "create trigger lose before insert on timestep.session_items"
        " for each row execute function lose()",
    ):
        company.rows(sql)
    answer = company.run("run", workflow_id="w", session_id="s")
    assert (answer.get("status"), answer.get("output")) == ("completed", "done"), answer
    assert company.rows("select last_value > 2 from lost") == [(True,)]


def test_what_cannot_be_recorded_is_refused_by_name(company: Company) -> None:
    company.script()
    messages = company.run("refused")
    assert "'shell'" in messages["tool"]
    assert "SQLiteSession" in messages["session"]
    assert "object" in messages["context"]
    assert company.rows("select count(*) from timestep.runs") == [(0,)]


def test_usage_and_costs_can_be_asked_for_in_sql(company: Company) -> None:
    company.script(says(call("research", "c1", input="?")), says("found"), says("done"))
    answer = company.run("run", workflow_id="w")
    rows = company.rows(
        "select agent, model, requests, total_tokens from timestep.usage order by 1"
    )
    assert rows == [("researcher", "default", 1, 11), ("triage", "default", 2, 22)]
    assert sum(row[3] for row in rows) == answer["tokens"]
    company.rows("insert into timestep.model_prices values ('def%', 1, 10) returning model")
    assert company.rows("select sum(cost)::float from timestep.costs") == [(6e-5,)]


def test_removed_runs_leave_nothing_behind(company: Company) -> None:
    company.script(says(call("refund", "c1", n=1)), says("done"))
    assert company.run("removed", workflow_id="w")["removed"] == 1
    for table in ("runs", "steps", "approvals", "run_states", "sessions"):
        assert company.rows(f"select count(*) from timestep.{table}") == [(0,)]
    assert company.rows("select workflow_uuid from dbos.workflow_status") == []


@pytest.mark.parametrize("stream", [False, True])
def test_nothing_escapes_the_record(company: Company, stream: bool) -> None:
    """A model object, a local MCP server, and an agent that a tool runs by itself."""
    company.script(says(call("ask", "c1"), call("shelve", "c2", n=1)), says("helped"), says("done"))
    answer = company.run("librarian", workflow_id="w", stream=stream)
    assert (answer["status"], answer["output"]) == ("completed", "done")
    assert company.rows("select key, name from timestep.steps order by key") == [
        ("m:/c1:0", "default"), ("m::0", "gpt-object"), ("m::1", "gpt-object"),
        ("t:/c1", "ask"), ("t:/c2", "shelve"),
    ]  # fmt: skip


def test_a_recorded_call_of_an_mcp_server_is_not_made_again(company: Company) -> None:
    company.script(says(call("shelve", "c1", n=1)), says(call("shelve", "c2", n=2)), says("done"))
    assert company.worker("librarian", kill="inside:2", workflow_id="w").wait() == -9
    company.rewind_script()
    assert company.run("librarian", workflow_id="w")["output"] == "done"
    assert [effect[3] for effect in company.effects("end")] == [1, 2, 2]


@pytest.mark.parametrize(
    ("how", "error", "message", "guardrail"),
    [
        ("turns", "MaxTurnsExceeded", "Max turns (1) exceeded", None),
        ("guardrail", "InputGuardrailTripwireTriggered", "Guardrail InputGuardrail", "decency"),
        ("model", "ModelBehaviorError", "Tool nothing not found", None),
    ],
)
def test_a_run_that_failed_tells_the_same_error_again(
    company: Company, how: str, error: str, message: str, guardrail: str | None
) -> None:
    tool = "nothing" if how == "model" else "look"
    company.script(says(call(tool, "c1", n=1)), says(call("look", "c2", n=1)), says("done"))
    first, again = company.run("fail", how=how)
    assert first == again
    assert (first[0], first[2]) == (error, guardrail)
    assert message in first[1]
    calls = company.model_calls
    assert company.run("fail", how=how) == [first, first], "another process says the same"
    assert company.model_calls == calls


def test_a_new_session_continues_that_of_the_run(company: Company) -> None:
    company.script(says("done"))
    first = company.run("with_new_session", workflow_id="w")
    assert first[1:] == ["user", "assistant"]
    assert company.run("with_new_session", workflow_id="w") == first
    other = company.run("run", workflow_id="w", session_id="another")
    assert "another session" in other["message"]


def test_what_is_read_back_has_types(company: Company) -> None:
    company.script(says(call("look", "c1", n=1)), says("done"))
    company.run("run", workflow_id="w", session_id="s")
    read = company.run("read", workflow_id="w")
    assert read["run"]["output"] == "done"
    assert read["run"]["input"] == "please"
    assert read["run"]["options"] == {"max_turns": 10}
    assert read["outputs"] == [["function_call"], "{'found': 1}", ["message"]]
    assert read["utc"] is True
    assert read["nothing"] is None
