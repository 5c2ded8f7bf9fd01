"""One process, one event loop after another."""

import asyncio
import gc
import logging
from collections.abc import Iterator

import pytest
from agents import Agent, RunConfig, Runner
from openai import AsyncOpenAI
from timestep.models import MultiModelProvider, MultiModelProviderMap, OllamaModelProvider
from timestep.testing import ModelServer


def both(server: ModelServer, script: str) -> MultiModelProvider:
    key = server.api_key(script)
    server.script(script, [{"output": [{"type": "message", "text": "Hello"}]}] * 4)
    providers = MultiModelProviderMap()
    providers.add_provider("ollama", OllamaModelProvider(key, server.ollama_url))
    return MultiModelProvider(
        provider_map=providers, openai_api_key=key, openai_base_url=server.url
    )


async def answer(model: str, provider: MultiModelProvider, *, streamed: bool = False) -> str:
    agent = Agent(name="helper", model=model)
    config = RunConfig(model_provider=provider)
    if not streamed:
        return (await Runner.run(agent, "Hello?", run_config=config)).final_output
    result = Runner.run_streamed(agent, "Hello?", run_config=config)
    async for _ in result.stream_events():
        pass
    return result.final_output


@pytest.fixture
def ended_loops_may_leave_sockets() -> Iterator[None]:
    """Let the sockets of event loops that ended warn here, not in another test."""
    yield
    gc.collect()


@pytest.mark.parametrize("model", ["gpt-4.1", "ollama/llama3"])
@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.usefixtures("ended_loops_may_leave_sockets")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_provider_works_in_one_event_loop_after_another(
    model: str, streamed: bool, model_server: ModelServer
) -> None:
    provider = both(model_server, "loops")
    for _ in range(3):
        assert asyncio.run(answer(model, provider, streamed=streamed)) == "Hello"


@pytest.mark.anyio
async def test_a_closed_provider_opens_new_connections(model_server: ModelServer) -> None:
    provider = both(model_server, "closed")
    for model in ["gpt-4.1", "ollama/llama3", "gpt-4.1", "ollama/llama3"]:
        assert await answer(model, provider) == "Hello"
        await provider.aclose()


def test_a_client_that_the_application_chose_keeps_its_connections() -> None:
    client = AsyncOpenAI(api_key="mine")
    model = MultiModelProvider(openai_client=client).get_model("gpt-4.1")
    assert model._model._client is client


@pytest.mark.anyio
async def test_a_small_context_is_told_once(
    model_server: ModelServer, caplog: pytest.LogCaptureFixture
) -> None:
    model_server.script("small", [{"output": [{"type": "message", "text": "Hello"}]}] * 2)
    provider = OllamaModelProvider(model_server.api_key("small"), model_server.ollama_url)
    config = RunConfig(model_provider=provider)
    with caplog.at_level(logging.WARNING, "timestep"):
        for _ in range(2):
            await Runner.run(Agent(name="helper", model="llama3"), "Hello?", run_config=config)
    await provider.aclose()
    told = [record.getMessage() for record in caplog.records if record.name == "timestep"]
    assert len(told) == 1
    assert "context of 4096 tokens" in told[0]
    paths = [request["path"] for request in model_server.requests("small")]
    assert paths.count("/ollama/api/ps") == 1


@pytest.mark.anyio
async def test_a_larger_context_is_made_once_and_used(model_server: ModelServer) -> None:
    model_server.script("large", [{"output": [{"type": "message", "text": "Hello"}]}] * 2)
    provider = OllamaModelProvider(
        model_server.api_key("large"), model_server.ollama_url, num_ctx=32768
    )
    config = RunConfig(model_provider=provider)
    for _ in range(2):
        await Runner.run(Agent(name="helper", model="llama3:8b"), "Hello?", run_config=config)
    await provider.aclose()
    requests = model_server.requests("large")
    made = [one["body"] for one in requests if one["path"].endswith("/api/create")]
    assert len(made) == 1
    assert '"num_ctx":32768' in made[0]
    used = [one["body"] for one in requests if one["path"].endswith("/responses")]
    assert all('"model":"llama3:8b-ctx32768"' in body for body in used)
