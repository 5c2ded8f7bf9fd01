"""Turns with several kinds of calls: whatever their order, the run ends."""

import pytest
from support.durable import Company, call, says

APPROVED = call("refund", "c1", n=1)
NORMAL = call("look", "c2", n=2)
HANDOFF = call("transfer_to_billing", "c3")
NESTED = call("research", "c4", input="?")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("turn", "tools"),
    [
        ([APPROVED, NORMAL], {"refund", "look"}),
        ([NORMAL, APPROVED], {"refund", "look"}),
        ([HANDOFF, NORMAL], {"look"}),
        ([NORMAL, HANDOFF], {"look"}),
    ],
)
def test_a_mixed_turn_ends(company: Company, turn: list, tools: set, stream: bool) -> None:
    company.script(says(*turn), says("done"))
    answer = company.run("run", workflow_id="w", stream=stream, session_id="s", seconds=30)
    assert (answer["status"], answer["output"]) == ("completed", "done")
    assert {effect[1] for effect in company.effects("end")} == tools
    assert len(company.effects("end")) == len(tools)


@pytest.mark.parametrize("killed", ["", "inside:2", "inside:3"])
def test_an_approval_inside_a_nested_agent(company: Company, killed: str) -> None:
    """The nested run pauses with the outer one, and goes on where it was."""
    company.script(
        says(NESTED, NORMAL),
        says(call("fetch", "n1", n=1)),
        says(call("risky", "n2", n=2)),
        says("found"),
        says("done"),
    )
    if killed:
        assert company.run_killed(killed, workflow_id="w")
        company.rewind_script()
    answer = company.run("run", workflow_id="w", seconds=40)
    assert (answer["status"], answer["output"], answer["requests"]) == ("completed", "done", 5)
    ended = sorted(effect[2] for effect in company.effects("end"))
    assert ended == ["w/c2", "w/c4/n1", "w/c4/n2"]
    keys = {row[0] for row in company.rows("select key from timestep.steps")}
    assert keys == {
        "m::0", "m::1", "m:/c4:0", "m:/c4:1", "m:/c4:2", "t:/c2", "t:/c4", "t:/c4/n1", "t:/c4/n2",
    }  # fmt: skip
