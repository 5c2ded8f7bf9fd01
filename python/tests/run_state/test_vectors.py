"""Every paused run that was ever recorded is still read, and goes on as it did."""

import json
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    RunState,
)
from jsonschema import Draft202012Validator
from openai import AsyncOpenAI, BadRequestError
from run_state.scenarios import SCENARIOS, Scenario
from timestep.run_state.from_envelope import from_envelope
from timestep.run_state.items import portable_item
from timestep.run_state.native import SDK_VERSION
from timestep.run_state.record import decode, encode
from timestep.run_state.to_envelope import to_envelope
from timestep.testing import ModelServer

pytestmark = pytest.mark.anyio

SPEC = Path(__file__).parents[3] / "spec"
SCHEMA = Draft202012Validator(json.loads((SPEC / "run-state.schema.json").read_text()))
VECTORS = sorted((SPEC / "vectors" / "run_states").glob("*/*.json"))
MINE = [path for path in VECTORS if path.parent.name.startswith("python-")]
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.fixture(scope="module")
def server():
    with ModelServer() as running:
        yield running


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def as_written_today(envelope: Any) -> Any:
    """Return an older document without the leftovers of chat completions, no longer written."""
    if isinstance(envelope, list):
        return [as_written_today(each) for each in envelope]
    if not isinstance(envelope, dict):
        return envelope
    chat = str(envelope.get("response_id")).startswith("chatcmpl-")
    kept = {k: v for k, v in envelope.items() if not (k == "response_id" and chat)}
    if envelope.get("role") == "assistant" and "id" not in envelope:
        kept = portable_item({**kept, "id": "__fake_id__"})
    return {k: as_written_today(v) for k, v in kept.items()}


def test_there_are_vectors_of_the_installed_sdk():
    assert any(path.parent.name == f"python-{SDK_VERSION}" for path in VECTORS)


@pytest.mark.parametrize("path", VECTORS, ids=name_of)
def test_a_recorded_document_has_the_shape_of_the_specification(path: Path):
    envelope = json.loads(path.read_text())["envelope"]

    SCHEMA.validate(envelope)
    assert encode(decode(json.dumps(envelope))) == encode(envelope)


@pytest.mark.parametrize("path", MINE, ids=name_of)
@pytest.mark.parametrize("form", ["envelope", "native"])
async def test_a_recorded_run_goes_on_as_it_did(path: Path, form: str, server: ModelServer):
    vector = read(path)
    scenario = BY_NAME[vector["scenario"]]
    async with AsyncExitStack() as stack:
        agent = await start(scenario, server, stack)
        state = await restored(vector, form, scenario, agent)
        if form == "envelope":
            native = state.to_json(context_serializer=scenario.context_serializer)
            again = to_envelope(state, native)
            expected_text = encode(as_written_today(vector["envelope"]))
            assert encode({**again, "writer": vector["envelope"]["writer"]}) == expected_text
        options = {k: v for k, v in scenario.options.items() if k != "max_turns"}
        config = RunConfig(tracing_disabled=True)
        # The server knows nothing of earlier responses: the request counts, not its answer.
        with suppress(BadRequestError):
            await Runner.run(agent, state, run_config=config, **options)
        sent = [json.loads(entry["body"]) for entry in server.requests("vector")]
    expected = vector["next_request"]
    if expected is not None:
        assert asked(sent[0]) == asked(expected)
    else:
        assert sent == []


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def asked(request: Any) -> Any:
    """Return what the model is asked, without settings that belong to a version of the SDK."""
    names = ("input", "messages", "conversation", "previous_response_id")
    return {name: request.get(name) for name in names}


async def start(scenario: Scenario, server: ModelServer, stack: AsyncExitStack) -> Agent[Any]:
    done = [{"output": [{"type": "message", "text": '{"text": "done", "amount": 1}'}]}] * 8
    server.script("vector", done, loose=True, conversations=scenario.conversations or None)
    client = AsyncOpenAI(base_url=server.url, api_key=server.api_key("vector"))
    await stack.enter_async_context(client)
    kind = OpenAIChatCompletionsModel if scenario.chat else OpenAIResponsesModel
    agent = scenario.agent(kind("gpt-4.1", client), [])
    for mcp in agent.mcp_servers:
        await stack.enter_async_context(mcp)
    return agent


async def restored(
    vector: Any, form: str, scenario: Scenario, agent: Agent[Any]
) -> RunState[Any, Any]:
    deserializer = scenario.context_deserializer
    if form == "native":
        return await RunState.from_json(agent, vector["native"], context_deserializer=deserializer)
    return await from_envelope(vector["envelope"], agent, context_deserializer=deserializer)
