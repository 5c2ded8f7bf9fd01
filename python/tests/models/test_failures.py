"""What goes wrong, streamed and not: spec/vectors/models/failures.json."""

import socket
from typing import Any

import httpx2
import pytest
from agents import Agent, ModelSettings, RunConfig, Runner, WebSearchTool, function_tool
from openai import APIStatusError, AuthenticationError, NotFoundError
from support.vectors import assert_error, rows
from timestep.models import MultiModelProvider, MultiModelProviderMap, OllamaModelProvider
from timestep.models.destination import Destination
from timestep.models.failures import ollama_words
from timestep.testing import ModelServer

pytestmark = pytest.mark.anyio


@function_tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


TOOLS = {"add": add, "hosted_web_search": WebSearchTool()}


def refused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def provider_for(row: dict[str, Any], server: ModelServer, script: str) -> MultiModelProvider:
    refused = f"http://127.0.0.1:{refused_port()}" if row.get("address") == "refused" else None
    key = row.get("key", server.api_key(script))
    providers = MultiModelProviderMap()
    providers.add_provider(
        "ollama",
        OllamaModelProvider(key, refused or server.ollama_url, num_ctx=row.get("num_ctx")),
    )
    return MultiModelProvider(
        provider_map=providers, openai_api_key=key, openai_base_url=refused or server.url
    )


async def outcome(row: dict[str, Any], provider: MultiModelProvider, *, streamed: bool) -> object:
    prefix = "" if row["provider"] == "openai" else "ollama/"
    agent = Agent(
        name="helper",
        model=f"{prefix}{row.get('model', 'llama3')}",
        tools=[TOOLS[name] for name in row.get("tools", [])],
        model_settings=ModelSettings(max_tokens=row.get("max_tokens")),
    )
    text = " ".join([row.get("input", "Hello?")] * row.get("repeat_input", 1))
    options = {"run_config": RunConfig(model_provider=provider), **row.get("run", {})}
    if not streamed:
        return (await Runner.run(agent, text, **options)).final_output
    result = Runner.run_streamed(agent, text, **options)
    async for _ in result.stream_events():
        pass
    return result.final_output


def streamed_or_not(path: str) -> list[Any]:
    return [
        pytest.param(row.values[0], streamed, id=f"{row.id}-{'' if streamed else 'not-'}streamed")
        for row in rows(path)
        for streamed in row.values[0].get("streamed", [True, False])
    ]


@pytest.mark.parametrize(("row", "streamed"), streamed_or_not("models/failures.json"))
async def test_a_failure_has_its_name_and_no_part_of_an_answer_counts(
    row: dict[str, Any], streamed: bool, model_server: ModelServer
) -> None:
    script = "failure"
    model_server.script(script, row.get("steps", []), ollama=row.get("ollama"))
    provider = provider_for(row, model_server, script)
    if "error" in row:
        with pytest.raises(Exception) as raised:  # noqa: PT011 - the row names class and words
            await outcome(row, provider, streamed=streamed)
        assert_error(raised.value, row["error"])
        if "retry_after" in row:
            assert raised.value.response.headers["retry-after"] == row["retry_after"]
    else:
        assert await outcome(row, provider, streamed=streamed) == row["output"]
    asked = [one for one in model_server.requests(script) if one["path"].endswith("/responses")]
    expected = row["requests"]
    assert len(asked) == (expected["python"] if isinstance(expected, dict) else expected)
    await provider.aclose()


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        (AuthenticationError, 401, "Ollama Cloud refused the key: check OLLAMA_API_KEY"),
        (NotFoundError, 404, "Ollama Cloud has no model 'llama3'"),
    ],
)
def test_what_ollama_cloud_refuses_is_told_as_its_own(
    kind: type[APIStatusError], status: int, words: str
) -> None:
    cloud = Destination("https://ollama.com", "llama3", "key")
    response = httpx2.Response(status, request=httpx2.Request("POST", "https://ollama.com/v1"))
    with pytest.raises(kind, match=words), ollama_words(cloud):
        raise kind("refused", response=response, body=None)
