"""A run that changes provider half-way: nothing of one reaches the other."""

import asyncio
import json
from typing import Any

import pytest
from agents import Agent, RunConfig, Runner, function_tool
from agents.memory import SQLiteSession
from support.vectors import assert_error, rows
from timestep.models import MultiModelProvider, MultiModelProviderMap, OllamaModelProvider
from timestep.testing import JournalEntry, ModelServer

pytestmark = pytest.mark.anyio
THOUGHT = {"type": "reasoning", "summary": "Let me think."}


def both(server: ModelServer, script: str) -> MultiModelProvider:
    providers = MultiModelProviderMap()
    key = server.api_key(script)
    providers.add_provider("ollama", OllamaModelProvider(key, server.ollama_url))
    return MultiModelProvider(
        provider_map=providers, openai_api_key=key, openai_base_url=server.url
    )


def asked(server: ModelServer, script: str) -> list[tuple[JournalEntry, list[dict[str, Any]]]]:
    """Return each model request and its input items."""
    listed = [one for one in server.requests(script) if one["path"].endswith("/responses")]
    return [(one, json.loads(one["body"])["input"]) for one in listed]


@pytest.mark.parametrize("row", rows("models/foreign_items.json"))
async def test_a_conversation_goes_on_elsewhere(
    row: dict[str, Any], model_server: ModelServer
) -> None:
    model_server.script("foreign", [{"output": [{"type": "message", "text": "Well."}]}])
    provider = both(model_server, "foreign")
    agent = Agent(name="helper", model="ollama/llama3" if row["to"] == "ollama" else "gpt-4.1")
    config = RunConfig(model_provider=provider)
    if "error" in row:
        with pytest.raises(Exception) as raised:  # noqa: PT011 - the row names class and words
            await Runner.run(agent, row["items"], run_config=config)
        assert_error(raised.value, row["error"])
        return
    await Runner.run(agent, row["items"], run_config=config)
    await provider.aclose()
    [(request, items)] = asked(model_server, "foreign")
    assert [item.get("type", "message") for item in items] == row["types"]
    assert [item["id"] for item in items if "id" in item] == row["ids"]
    assert [text for text in row["never"] if text in request["body"]] == []
    if "arguments" in row:
        assert [item["arguments"] for item in items if "arguments" in item] == [row["arguments"]]


@function_tool(needs_approval=True)
def pay(amount: int) -> str:
    """Pay an amount."""
    return f"paid {amount}"


def check_apart(server: ModelServer, script: str, monkey_key: str) -> None:
    """Check every request: each provider saw only its own ids, thinking, headers and key."""
    for request, items in asked(server, script):
        to_ollama = request["path"].startswith("/ollama/")
        reasoning = [item for item in items if item.get("type") == "reasoning"]
        ids = [item["id"] for item in items if item.get("id")]
        assert all(("_ollama_" in one) is to_ollama for one in ids), request["body"]
        assert all(("_ollama_" in item["id"]) is to_ollama for item in reasoning)
        headers = request["headers"]
        assert (headers.get("openai-organization") == "org-1") is not to_ollama
        assert (headers.get("openai-project") == "proj-1") is not to_ollama
        assert "stub-cipher" not in request["body"] or not to_ollama
        assert headers["authorization"] == f"Bearer test-{script}"
        assert monkey_key not in json.dumps(request)


@pytest.fixture
def openai_settings(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-1")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "admin-key")
    monkeypatch.setenv("OLLAMA_API_KEY", "cloud-key")
    return "-key"


async def test_handoffs_from_openai_to_ollama_and_back(
    model_server: ModelServer, openai_settings: str
) -> None:
    back = Agent(name="back", model="openai/gpt-4.1")
    middle = Agent(name="middle", model="ollama/llama3", handoffs=[back])
    front = Agent(name="front", model="gpt-4.1", handoffs=[middle])
    said = {"type": "message", "text": "A word beside it."}
    model_server.script(
        "handoffs",
        [
            {"output": [THOUGHT, {"type": "function_call", "name": "transfer_to_middle"}]},
            {"output": [THOUGHT, said, {"type": "function_call", "name": "transfer_to_back"}]},
            {"output": [THOUGHT, {"type": "message", "text": "Done."}]},
        ],
    )
    provider = both(model_server, "handoffs")
    result = await Runner.run(front, "Hello?", run_config=RunConfig(model_provider=provider))
    await provider.aclose()
    assert result.final_output == "Done."
    assert result.last_agent.name == "back"
    paths = [request["path"] for request, _ in asked(model_server, "handoffs")]
    assert paths == ["/v1/responses", "/ollama/v1/responses", "/v1/responses"]
    check_apart(model_server, "handoffs", openai_settings)


@pytest.mark.parametrize("streamed", [True, False])
async def test_a_paused_run_is_resumed_with_another_model(
    streamed: bool, model_server: ModelServer, openai_settings: str
) -> None:
    calls = [
        [THOUGHT, {"type": "function_call", "name": "pay", "arguments": {"amount": amount}}]
        for amount in (1, 2, 3)
    ]
    steps = [*({"output": call} for call in calls), {"output": [{"type": "message", "text": "."}]}]
    model_server.script("resumed", steps)
    provider = both(model_server, "resumed")
    state: Any = "Pay three times."
    models = ["gpt-4.1", "ollama/llama3", "gpt-4.1", "ollama/llama3"]
    for place, model in enumerate(models):
        agent = Agent(name="payer", tools=[pay])
        config = RunConfig(model_provider=provider, model=model)
        if place:
            for item in state.get_interruptions():
                state.approve(item)
        if streamed:
            result: Any = Runner.run_streamed(agent, state, run_config=config)
            async for _ in result.stream_events():
                pass
        else:
            result = await Runner.run(agent, state, run_config=config)
        state = result.to_state()
    await provider.aclose()
    assert result.final_output == "."
    assert len(asked(model_server, "resumed")) == 4
    check_apart(model_server, "resumed", openai_settings)


async def test_a_session_goes_on_with_another_model(
    model_server: ModelServer, openai_settings: str
) -> None:
    answer = {"output": [THOUGHT, {"type": "message", "text": "Yes."}]}
    model_server.script("session", [answer] * 4)
    provider = both(model_server, "session")
    session = SQLiteSession("models")
    for model in ["gpt-4.1", "ollama/llama3", "gpt-4.1", "ollama/llama3"]:
        agent = Agent(name="helper", model=model)
        config = RunConfig(model_provider=provider)
        await Runner.run(agent, "Sure?", session=session, run_config=config)
    session.close()
    await provider.aclose()
    last = asked(model_server, "session")[-1][1]
    assert [item.get("role") for item in last if item.get("type") != "reasoning"] == [
        *(["user", "assistant"] * 3),
        "user",
    ]
    check_apart(model_server, "session", openai_settings)


async def test_several_ollama_hosts_serve_one_run(model_server: ModelServer) -> None:
    with ModelServer() as other:
        providers = MultiModelProviderMap()
        for prefix, server in (("box", model_server), ("gpu", other)):
            key = server.api_key(prefix)
            providers.add_provider(prefix, OllamaModelProvider(key, server.ollama_url))
        second = Agent(name="second", model="gpu/qwen3")
        first = Agent(name="first", model="box/llama3", handoffs=[second])
        call = {"type": "function_call", "name": "transfer_to_second"}
        model_server.script("box", [{"output": [call]}])
        other.script("gpu", [{"output": [{"type": "message", "text": "From the second host."}]}])
        provider = MultiModelProvider(provider_map=providers)
        config = RunConfig(model_provider=provider)
        result = await Runner.run(first, "Hello?", run_config=config)
        await asyncio.gather(
            *(one.aclose() for one in providers.get_mapping().values()), provider.aclose()
        )
        assert result.final_output == "From the second host."
        [(request, _)] = asked(other, "gpu")
        assert json.loads(request["body"])["model"] == "qwen3"
