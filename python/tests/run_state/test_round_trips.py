"""A run that is saved and restored at every pause ends as it would have ended without."""

import json
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, RunState
from jsonschema import Draft202012Validator
from run_state.passes import Outcome, Pass, Play, natively
from run_state.scenarios import SCENARIOS, Scenario
from timestep.run_state.from_envelope import from_envelope
from timestep.run_state.record import decode, encode
from timestep.run_state.to_envelope import to_envelope
from timestep.testing import ModelServer

pytestmark = pytest.mark.anyio

SPEC = Path(__file__).parents[3] / "spec"
SCHEMA = Draft202012Validator(json.loads((SPEC / "run-state.schema.json").read_text()))


@pytest.fixture(scope="module")
def server():
    with ModelServer() as running:
        yield running


@pytest.fixture(scope="module")
def native_outcomes() -> dict[tuple[str, bool], Outcome]:
    return {}


def through_the_envelope(scenario: Scenario) -> Pass:
    async def pass_on(state: RunState[Any, Any], agent: Agent[Any]) -> RunState[Any, Any]:
        text = saved(scenario, state)
        restored = await from_envelope(
            decode(text), agent, context_deserializer=scenario.context_deserializer
        )
        assert saved(scenario, restored) == text
        return restored

    return pass_on


def saved(scenario: Scenario, state: RunState[Any, Any]) -> str:
    native = state.to_json(context_serializer=scenario.context_serializer)
    envelope = to_envelope(state, native, context_serializer=scenario.context_serializer)
    SCHEMA.validate(envelope)
    return encode(envelope)


@pytest.mark.parametrize("decided_first", [True, False], ids=["decided", "undecided"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
async def test_a_restored_run_ends_like_one_that_the_sdk_restored(
    scenario: Scenario,
    streamed: bool,
    decided_first: bool,
    server: ModelServer,
    native_outcomes: dict[tuple[str, bool], Outcome],
):
    key = (scenario.name, streamed)
    if key not in native_outcomes:
        play = Play(scenario, server, natively(scenario), streamed=streamed)
        native_outcomes[key] = await play.to_the_end()
    play = Play(
        scenario,
        server,
        through_the_envelope(scenario),
        streamed=streamed,
        decided_first=decided_first,
    )

    outcome = await play.to_the_end()

    assert outcome.pauses, "the scenario never paused"
    assert outcome == native_outcomes[key]
