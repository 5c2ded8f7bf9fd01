"""Tools that run at most once and ask a person about a call whose process died in it."""

import json

import pytest
from agents import Agent, function_tool
from support.durable import Company, call, says
from timestep.durable.tools import durable_tool, mark_at_most_once
from timestep.durable.unknown_outcome import OUTCOME_UNKNOWN
from timestep.errors import ConfigurationError

PAY = says(call("pay", "c1", n=1))
TRANSFER = says(call("transfer", "c1", n=1))
DONE = says("done")


def paid(company: Company, tool: str = "pay") -> int:
    """Return how often the tool was called, all told."""
    return len(company.effects("start", tool))


def crashed(company: Company, command: str = "run", *, kill: str = "inside:1", **options) -> None:
    """Let a process begin the call and die in it."""
    assert company.worker(command, kill=kill, workflow_id="w", **options).wait() == -9
    company.rewind_script()


def asked(company: Company) -> list[tuple]:
    return company.rows(
        "select call_id, status, decision, reason from timestep.tool_calls"
        " where reason is not null order by call_id"
    )


def told(company: Company, call_id: str = "c1") -> str:
    """Return what the model was told of the call."""
    items = json.loads(company.server.requests(company.script_id)[-1]["body"])["input"]
    (output,) = [
        item["output"]
        for item in items
        if item.get("type") == "function_call_output" and item["call_id"] == call_id
    ]
    return output


@pytest.fixture
def waiting(company: Company) -> Company:
    """A company with a run that asks about a payment."""
    company.script(PAY, DONE)
    crashed(company)
    paused = company.run("run", workflow_id="w", approve=False)
    assert (paused["status"], paused["interruptions"]) == ("interrupted", ["c1"])
    assert asked(company) == [("c1", "waiting", "pending", "outcome_unknown")]
    assert paid(company) == 1
    return company


def test_approved_it_is_called_again(waiting: Company) -> None:
    answer = waiting.run("decide", workflow_id="w", approve=True)
    assert (answer["status"], answer["output"]) == ("completed", "done")
    assert paid(waiting) == 2
    assert {effect[2] for effect in waiting.effects("start", "pay")} == {"w/c1"}
    assert told(waiting) == "paid 1"
    assert asked(waiting) == [("c1", "done", "approved", "outcome_unknown")]


def test_approved_with_other_arguments_it_is_called_with_those(waiting: Company) -> None:
    waiting.run("decide", workflow_id="w", approve=True, arguments={"n": 5})
    assert [effect[3] for effect in waiting.effects("start", "pay")] == [1, 5]
    assert waiting.rows("select arguments_used from timestep.tool_calls where tool = 'pay'") == [
        ('{"n":5}',)
    ]


@pytest.mark.parametrize("message", ["It was paid; number 77.", None])
def test_rejected_it_is_not_called_again(waiting: Company, message: str | None) -> None:
    answer = waiting.run("decide", workflow_id="w", approve=False, message=message)
    assert (answer["status"], answer["output"]) == ("completed", "done")
    assert paid(waiting) == 1
    assert told(waiting) == (message or OUTCOME_UNKNOWN)
    assert asked(waiting) == [("c1", "unknown", "rejected", "outcome_unknown")]


def test_rejected_on_its_state_without_a_message_it_is_not_told_as_never_called(
    waiting: Company,
) -> None:
    answer = waiting.run("by_state", workflow_id="w", reject=["c1"], message=None)
    assert (answer["status"], paid(waiting)) == ("completed", 1)
    assert told(waiting) == OUTCOME_UNKNOWN


def test_a_second_death_asks_again(waiting: Company) -> None:
    crashed(waiting, "decide", approve=True)
    assert paid(waiting) == 2
    paused = waiting.run("run", workflow_id="w", approve=False)
    assert (paused["status"], paused["interruptions"]) == ("interrupted", ["c1"])
    assert paid(waiting) == 2
    waiting.run("decide", workflow_id="w", approve=False, message="Leave it.")
    assert (paid(waiting), told(waiting)) == (2, "Leave it.")


@pytest.mark.parametrize("command", ["decide", "by_state"])
def test_a_tool_that_was_approved_before_asks_all_the_same(company: Company, command: str) -> None:
    company.script(TRANSFER, DONE)
    company.run("run", workflow_id="w", approve=False)
    assert asked(company) == []
    approval = {"approve": True} if command == "decide" else {}
    crashed(company, command, **approval)
    paused = company.run("run", workflow_id="w", approve=False)
    assert (paused["status"], paused["interruptions"]) == ("interrupted", ["c1"])
    assert asked(company) == [("c1", "waiting", "pending", "outcome_unknown")]
    assert paid(company, "transfer") == 1
    answer = company.run(command, workflow_id="w", **approval)
    assert (answer["status"], answer["output"]) == ("completed", "done")
    assert paid(company, "transfer") == 2


def test_an_approval_for_every_call_is_none_for_a_call_of_unknown_outcome(company: Company) -> None:
    company.script(TRANSFER, says(call("transfer", "c2", n=2)), DONE)
    company.run("run", workflow_id="w", approve=False)
    crashed(company, "decide", kill="inside:2", approve=True, always=True)
    paused = company.run("run", workflow_id="w", approve=False)
    assert (paused["status"], paused["interruptions"]) == ("interrupted", ["c2"])
    assert [effect[2] for effect in company.effects("start")] == ["w/c1", "w/c2"]
    answer = company.run("decide", workflow_id="w", approve=True)
    assert (answer["status"], paid(company, "transfer")) == ("completed", 3)


def test_an_agent_as_a_tool_asks_from_inside(company: Company) -> None:
    company.script(says(call("research", "c1", input="?")), PAY_INSIDE, says("found"), DONE)
    crashed(company)
    paused = company.run("run", workflow_id="w", approve=False)
    assert (paused["status"], paused["interruptions"]) == ("interrupted", ["n1"])
    assert paid(company) == 1
    answer = company.run("decide", workflow_id="w", approve=True)
    assert (answer["status"], answer["output"]) == ("completed", "done")
    assert [effect[2] for effect in company.effects("start", "pay")] == ["w/c1/n1"] * 2


PAY_INSIDE = says(call("pay", "n1", n=1))


def test_an_approval_for_every_call_inside_an_agent_as_a_tool_is_none_either(
    company: Company,
) -> None:
    inside = [says(call("transfer", f"n{n}", n=n)) for n in (1, 2)]
    company.script(says(call("research", "c1", input="?")), *inside, says("found"), DONE)
    company.run("run", workflow_id="w", approve=False)
    crashed(company, "decide", kill="inside:2", approve=True, always=True)
    paused = company.run("run", workflow_id="w", approve=False)
    assert (paused["status"], paused["interruptions"]) == ("interrupted", ["n2"])
    assert asked(company) == [("n2", "waiting", "pending", "outcome_unknown")]
    assert [effect[2] for effect in company.effects("start")] == ["w/c1/n1", "w/c1/n2"]
    answer = company.run("decide", workflow_id="w", approve=True)
    assert (answer["status"], paid(company, "transfer")) == ("completed", 3)


def test_an_approval_for_every_call_that_was_given_before_another_pause_is_none_either(
    company: Company,
) -> None:
    tools = ("transfer", "risky", "transfer")
    inside = [says(call(tool, f"n{n}", n=n)) for n, tool in enumerate(tools)]
    company.script(says(call("research", "c1", input="?")), *inside, says("found"), DONE)
    company.run("run", workflow_id="w", approve=False)
    company.run("decide", workflow_id="w", approve=True, always=True)
    crashed(company, "decide", kill="inside:2", approve=True)
    paused = company.run("run", workflow_id="w", approve=False)
    assert (paused["status"], paused["interruptions"]) == ("interrupted", ["n2"])
    answer = company.run("decide", workflow_id="w", approve=True)
    assert (answer["status"], answer["output"]) == ("completed", "done")
    paid = [effect[2] for effect in company.effects("start", "transfer")]
    assert paid == ["w/c1/n0", "w/c1/n2", "w/c1/n2"]


def test_a_nested_run_that_ended_before_its_process_died_is_not_in_the_way_of_the_next_pause(
    company: Company,
) -> None:
    first, second = (says(call("research", call_id, input="?")) for call_id in ("c1", "c2"))
    one, other = (says(call("risky", call_id, n=1)) for call_id in ("n1", "n2"))
    pay = says(call("pay", "p", n=1))
    company.script(first, one, says("found"), pay, second, other, DONE, DONE)
    company.run("run", workflow_id="w", approve=False)
    crashed(company, "decide", kill="inside:2", approve=True)
    paused = company.run("run", workflow_id="w", approve=False)
    assert (paused["status"], paused["interruptions"]) == ("interrupted", ["p"])
    paused = company.run("decide", workflow_id="w", approve=True)
    assert (paused["status"], paused["interruptions"]) == ("interrupted", ["n2"])
    answer = company.run("decide", workflow_id="w", approve=True)
    assert (answer["status"], answer["output"]) == ("completed", "done")
    risked = [effect[2] for effect in company.effects("start", "risky")]
    assert risked == ["w/c1/n1", "w/c2/n2"]


def test_a_call_that_waits_beside_it_is_decided_by_itself(company: Company) -> None:
    company.script(says(call("refund", "c2", n=2), call("pay", "c1", n=1)), DONE)
    crashed(company)
    paused = company.run("run", workflow_id="w", approve=False)
    assert sorted(paused["interruptions"]) == ["c1", "c2"]
    assert asked(company) == [("c1", "waiting", "pending", "outcome_unknown")]
    answer = company.run("decide", workflow_id="w", approve=True)
    assert (answer["status"], paid(company), paid(company, "refund")) == ("completed", 2, 1)


def test_an_undisturbed_call_asks_nobody(company: Company) -> None:
    company.script(PAY, DONE)
    answer = company.run("run", workflow_id="w", approve=False)
    assert (answer["status"], paid(company)) == ("completed", 1)
    assert company.rows("select approval_id from timestep.approvals") == []


@function_tool
def plain() -> str:
    """Do nothing."""
    return ""


def test_what_cannot_be_marked_is_refused() -> None:
    inner = Agent(name="inner").as_tool(tool_name="inner", tool_description="")
    with pytest.raises(ConfigurationError, match="runs an agent"):
        mark_at_most_once(inner)
    with pytest.raises(ConfigurationError, match="at_most_once=True"):
        durable_tool(when_unknown="ask")
    with pytest.raises(ConfigurationError, match='"tell" or "ask"'):
        mark_at_most_once(plain, when_unknown="hope")  # type: ignore[arg-type] - on purpose
    with pytest.raises(ConfigurationError, match="got function"):
        mark_at_most_once(lambda: None)  # type: ignore[arg-type] - on purpose
