"""What the SDK's own document tells, and what it must not tell."""

import json

import pytest
from agents import Agent, RunContextWrapper, RunState
from run_state.passes import Play
from run_state.scenarios import ONE, SCENARIOS, Scenario, call, step, with_helper, with_hosted_mcp
from timestep.run_state import native as native_state
from timestep.run_state.from_envelope import from_envelope
from timestep.run_state.record import encode
from timestep.run_state.to_envelope import to_envelope
from timestep.testing import ModelServer

pytestmark = pytest.mark.anyio


def hosted_mcp_within_an_agent(model, ran) -> Agent:
    inner = with_hosted_mcp(model, ran)
    return Agent(name="desk", model=model, tools=[inner.as_tool("ask_clerk", "Ask")])


HOSTED = next(s for s in SCENARIOS if s.name == "hosted mcp")
NESTED = Scenario(
    "nested hosted mcp",
    hosted_mcp_within_an_agent,
    [
        step(call("ask_clerk", {"input": "pay"}, "call_c")),
        *HOSTED.steps,
        step(HOSTED.steps[1]["output"][1]),
    ],
)


@pytest.mark.parametrize("scenario", [HOSTED, NESTED], ids=str)
async def test_no_secret_of_a_hosted_server_is_stored_and_the_run_still_resumes(scenario: Scenario):
    texts: list[str] = []

    async def pass_on(state, agent):
        native = state.to_json()
        assert "secret" in json.dumps(native)
        scrubbed = native_state.scrub(native)
        texts.extend([json.dumps(scrubbed), encode(to_envelope(state, native))])
        return await RunState.from_json(agent, json.loads(json.dumps(scrubbed)))

    with ModelServer() as server:
        outcome = await Play(scenario, server, pass_on).to_the_end()

    assert outcome.output == "done"
    assert len(texts) == 2
    assert not any("secret" in text for text in texts)


async def test_a_tracing_key_is_not_stored():
    state = RunState(RunContextWrapper(None), "start", Agent(name="a"), 1)
    native = {**state.to_json(), "trace": {"id": "trace_1", "tracing_api_key": "very-secret"}}

    assert native_state.scrub(native)["trace"] == {"id": "trace_1"}
    assert "very-secret" not in encode(to_envelope(state, native))


def test_the_installed_sdk_reads_the_version_that_is_written_and_older_ones():
    assert native_state.is_readable(native_state.SCHEMA_VERSION)
    assert native_state.is_readable("1.0")
    assert not native_state.is_readable("1.9999")


@pytest.mark.parametrize(
    ("found", "newer"),
    [("1.21", False), ("1.3", False), ("1.22", True), ("1.100", True), ("2.0", True)],
)
def test_versions_are_compared_by_number(found, newer):
    assert native_state.is_newer(found) is newer


async def test_status_agent_and_turn_of_a_run():
    seen = []

    async def pass_on(state, agent):
        seen.append(state.to_json())
        return await from_envelope(to_envelope(state, seen[-1]), agent)

    scenario = Scenario(
        "status", with_helper, [step(call("ask_helper", {"input": "x"}, "c")), *ONE, ONE[1]]
    )
    with ModelServer() as server:
        await Play(scenario, server, pass_on).to_the_end()

    assert native_state.run_status(seen[0]) == "interrupted"
    assert native_state.agent_name(seen[0]) == "desk"
    assert native_state.turn(seen[0]) == 1
    fresh = RunState(RunContextWrapper(None), "start", Agent(name="a"), 1).to_json()
    assert native_state.run_status(fresh) == "run_again"
    assert native_state.run_status({**seen[0], "current_step": None}) == "terminal"
