"""Durable runs from the outside: real processes, a real database, the scripted model."""

from support.durable import Company, call, says


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


def test_the_same_id_is_the_same_run_in_another_process(company: Company) -> None:
    company.script(says("done"))
    first = company.run("run", workflow_id="w")
    assert company.run("run", workflow_id="w") == first
    assert company.model_calls == 1


def test_the_same_id_with_another_input_is_an_error(company: Company) -> None:
    company.script(says("done"))
    company.run("run", workflow_id="w")
    other = company.run("run", workflow_id="w", input="something else")
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


def test_a_run_goes_on_from_its_state(company: Company) -> None:
    company.script(says(call("refund", "c1", n=1), call("refund", "c2", n=2)), says("done"))
    company.run("run", workflow_id="w", approve=False)
    answer = company.run("by_state", workflow_id="w", reject=["c2"])
    assert (answer["status"], answer["output"]) == ("completed", "done")
    assert [effect[2] for effect in company.effects("end", "refund")] == ["w/c1"]
    assert company.rows("select call_id, decision from timestep.tool_calls order by call_id") == [
        ("c1", "approved"), ("c2", "rejected"),
    ]  # fmt: skip
