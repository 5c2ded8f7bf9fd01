"""The calls that wait for a decision, as a person has to see them."""

import pytest
from agents import Agent, RunState
from run_state.passes import Play
from run_state.scenarios import SCENARIOS, Decision, Scenario
from timestep.run_state.approvals import PendingApproval, pending_approvals
from timestep.run_state.from_envelope import from_envelope
from timestep.run_state.to_envelope import to_envelope
from timestep.testing import ModelServer

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server():
    with ModelServer() as running:
        yield running


class EnoughSeenError(Exception):
    """Ends a run that a test has seen enough of."""


async def pending_at_each_pause(
    scenario: str, server: ModelServer, *, decided_first: bool = True
) -> list[list[PendingApproval]]:
    found: list[list[PendingApproval]] = []

    async def pass_on(state: RunState, agent: Agent) -> RunState:
        found.append(pending_approvals(state))
        restored = await from_envelope(to_envelope(state, state.to_json()), agent)
        assert pending_approvals(restored) == found[-1]
        return restored

    chosen = next(s for s in SCENARIOS if s.name == scenario)
    await Play(chosen, server, pass_on, decided_first=decided_first).to_the_end()
    return found


async def test_each_call_is_shown_with_its_exact_arguments_and_its_decision(server: ModelServer):
    found = await pending_at_each_pause("several decisions", server)

    assert found[0] == [
        PendingApproval(
            "function", "clerk", "refund", "call_1", '{"order":"B1","amount":1}', "approved"
        ),
        PendingApproval(
            kind="function",
            agent="clerk",
            tool="refund",
            call_id="call_2",
            arguments='{"order":"B2","amount":2}',
            decision="rejected",
            message="not today: é",
        ),
        PendingApproval(
            "function", "clerk", "refund", "call_3", '{"order":"B3","amount":3}', "rejected"
        ),
    ]


async def test_a_call_without_decision_is_pending(server: ModelServer):
    found = await pending_at_each_pause("two pending, one decided", server)

    assert [[a.decision for a in pause] for pause in found] == [["approved", None], ["approved"]]


async def test_calls_of_agents_as_tools_are_shown_as_theirs(server: ModelServer):
    found = await pending_at_each_pause("two levels of agents as tools", server)

    shown = {(a.agent, a.tool, a.decision, a.message) for pause in found for a in pause}
    assert shown == {
        ("middle", "refund", "approved", None),
        ("inner", "refund", "rejected", "not today: é"),
    }


async def test_a_request_of_a_hosted_server_is_shown(server: ModelServer):
    found = await pending_at_each_pause("hosted mcp", server, decided_first=False)

    assert found == [[PendingApproval("hosted_mcp", "clerk", "pay", "mcpr_1", '{"amount": 5}')]]


async def test_a_decision_on_all_calls_counts_for_the_one_that_waits(server: ModelServer):
    found = await pending_at_each_pause("always rejected", server)

    assert [(a.decision, a.message) for a in found[0]] == [("rejected", "never")]


async def test_a_restored_decision_holds_for_the_call_that_it_was_made_on_alone(
    server: ModelServer,
):
    def wrong_call(item, pause: int) -> Decision:
        return Decision(approve=True if item.raw_item.call_id == "call_1" else None)

    base = next(s for s in SCENARIOS if s.name == "several decisions")
    scenario = Scenario("only one", base.agent, base.steps[:1], decide=wrong_call)
    decided: list[list[str | None]] = []

    async def pass_on(state: RunState, agent: Agent) -> RunState:
        envelope = to_envelope(state, state.to_json())
        changed = [
            item for item in envelope["items"] if item["raw"] and isinstance(item["raw"], dict)
        ]
        changed[0]["raw"]["call_id"] = "call_other"
        restored = await from_envelope(envelope, agent)
        decided.append([a.decision for a in pending_approvals(restored)])
        raise EnoughSeenError

    with pytest.raises(EnoughSeenError):
        await Play(scenario, server, pass_on).to_the_end()
    assert decided == [[None, None, None]]
