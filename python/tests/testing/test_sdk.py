"""The official Python SDK against the model server."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from agents import (
    Agent,
    AgentsException,
    Model,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
)
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.shared import Reasoning
from pydantic import BaseModel, TypeAdapter
from timestep.testing import ModelServer

UNTRACED = RunConfig(tracing_disabled=True)
TWO_CALLS: list[Any] = [
    {
        "output": [
            {"type": "reasoning", "summary": "Both cities."},
            {"type": "message", "text": "I look."},
            {"type": "function_call", "name": "weather", "arguments": {"city": "Rome"}},
            {"type": "function_call", "name": "weather", "arguments": {"city": "Oslo"}},
        ],
        "usage": {
            "input_tokens": 100,
            "output_tokens": 20,
            "input_tokens_details": {"cached_tokens": 60},
            "output_tokens_details": {"reasoning_tokens": 5},
        },
    },
    {"output": [{"type": "message", "text": "Sunny in both, Rome and Oslo."}]},
]


class Weather(BaseModel):
    city: str
    sunny: bool


@function_tool
def weather(city: str, days: int = 1) -> str:
    """Tell the weather of a city."""
    return f"sunny in {city} for {days}"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


@pytest.fixture(params=["responses", "chat", "ollama", "ollama chat", "ollama cloud"])
def api(request: pytest.FixtureRequest) -> str:
    return request.param


def client(server: ModelServer, script_id: str, api: str = "responses") -> AsyncOpenAI:
    base = {"ollama": f"{server.ollama_url}/v1", "ollama cloud": f"{server.ollama_cloud_url}/v1"}
    url = base.get(api.removesuffix(" chat"), server.url)
    return AsyncOpenAI(base_url=url, api_key=server.api_key(script_id), max_retries=1)


def model(openai_client: AsyncOpenAI, api: str) -> Model:
    kind = OpenAIChatCompletionsModel if "chat" in api else OpenAIResponsesModel
    return kind("gpt-4.1", openai_client)


@pytest.mark.parametrize("stream", [False, True])
async def test_parallel_tools(server: ModelServer, api: str, stream: bool) -> None:
    server.script("tools", TWO_CALLS)
    async with client(server, "tools", api) as openai_client:
        settings = ModelSettings(include_usage=True if "chat" in api else None)
        agent = Agent(
            name="helper",
            model=model(openai_client, api),
            tools=[weather],
            model_settings=settings,
        )
        if stream:
            result = Runner.run_streamed(agent, "Weather?", run_config=UNTRACED)
            types = [event.type async for event in result.stream_events()]
            assert "raw_response_event" in types
        else:
            result = await Runner.run(agent, "Weather?", run_config=UNTRACED)

    assert result.final_output == "Sunny in both, Rome and Oslo."
    usage = result.context_wrapper.usage
    assert usage.requests == 2
    assert usage.input_tokens > 100
    second = server.requests("tools")[1]["body"]
    assert "sunny in Rome for" in second
    assert "sunny in Oslo for" in second


@pytest.mark.parametrize("stream", [False, True])
async def test_usage_arrives_with_its_details(server: ModelServer, stream: bool) -> None:
    server.script("usage", TWO_CALLS)
    async with client(server, "usage") as openai_client:
        agent = Agent(name="helper", model=model(openai_client, "responses"), tools=[weather])
        if stream:
            result = Runner.run_streamed(agent, "Weather?", run_config=UNTRACED)
            _ = [event async for event in result.stream_events()]
        else:
            result = await Runner.run(agent, "Weather?", run_config=UNTRACED)
    first = result.context_wrapper.usage.request_usage_entries[0]
    assert (first.input_tokens, first.output_tokens) == (100, 20)
    assert first.input_tokens_details.cached_tokens == 60
    assert first.output_tokens_details.reasoning_tokens == 5


async def test_a_structured_answer(server: ModelServer, api: str) -> None:
    text = {"city": "Rome", "sunny": True}
    server.script("structured", [{"output": [{"type": "message", "text": text}]}])
    async with client(server, "structured", api) as openai_client:
        agent = Agent(name="helper", model=model(openai_client, api), output_type=Weather)
        result = await Runner.run(agent, "Weather?", run_config=UNTRACED)
    assert result.final_output == Weather(city="Rome", sunny=True)


async def test_an_image(server: ModelServer, api: str) -> None:
    server.script("image", [{"output": [{"type": "message", "text": "A cat"}]}])
    image = "data:image/png;base64,iVBORw0KGgo="
    content: Any = [
        {"type": "input_text", "text": "What is it?"},
        {"type": "input_image", "image_url": image, "detail": "auto"},
    ]
    async with client(server, "image", api) as openai_client:
        agent = Agent(name="helper", model=model(openai_client, api))
        result = await Runner.run(
            agent, [{"role": "user", "content": content}], run_config=UNTRACED
        )
    assert result.final_output == "A cat"
    assert image in server.requests("image")[0]["body"]


async def test_reasoning_goes_back_with_its_ciphertext(server: ModelServer) -> None:
    server.script("reasoning", TWO_CALLS)
    settings = ModelSettings(
        store=False,
        reasoning=Reasoning(effort="low"),
        response_include=["reasoning.encrypted_content"],
    )
    async with client(server, "reasoning") as openai_client:
        agent = Agent(
            name="helper",
            model=model(openai_client, "responses"),
            tools=[weather],
            model_settings=settings,
        )
        result = await Runner.run(agent, "Weather?", run_config=UNTRACED)
    assert result.final_output.startswith("Sunny")
    sent = json.loads(server.requests("reasoning")[1]["body"])["input"]
    assert sent[1]["encrypted_content"] == f"stub-cipher:{sent[1]['id']}"


async def test_a_rate_limit_is_tried_again(server: ModelServer) -> None:
    fault = {"status": 429, "headers": {"retry-after-ms": "5"}}
    answer = {"output": [{"type": "message", "text": "Here I am"}]}
    server.script("limit", [{"fault": fault}, answer])
    async with client(server, "limit") as openai_client:
        agent = Agent(name="helper", model=model(openai_client, "responses"))
        result = await Runner.run(agent, "Hello", run_config=UNTRACED)
    assert result.final_output == "Here I am"
    assert [entry["status"] for entry in server.requests("limit")] == [429, 200]


async def test_a_script_that_has_run_out_is_asked_once(server: ModelServer) -> None:
    server.script("empty", [])
    async with client(server, "empty") as openai_client:
        agent = Agent(name="helper", model=model(openai_client, "responses"))
        with pytest.raises(openai.UnprocessableEntityError, match="has no step left"):
            await Runner.run(agent, "Hello", run_config=UNTRACED)
    assert len(server.requests("empty")) == 1


async def test_a_cut_stream_is_an_error(server: ModelServer, api: str) -> None:
    output = [{"type": "message", "text": "A long answer that breaks off"}]
    server.script("cut", [{"output": output, "fault": {"cut_after": 900}}])
    async with client(server, "cut", api) as openai_client:
        agent = Agent(name="helper", model=model(openai_client, api))
        result = Runner.run_streamed(agent, "Hello", run_config=UNTRACED)
        with pytest.raises(Exception, match=r"peer closed|incomplete|Connection") as raised:
            _ = [event async for event in result.stream_events()]
    assert not isinstance(raised.value, AgentsException)


async def test_the_answers_have_every_field_of_the_sdk(server: ModelServer) -> None:
    items = [
        *TWO_CALLS[0]["output"],
        {"type": "reasoning", "summary": "Hm.", "text": "Thoughts"},
        {"type": "message", "refusal": "No."},
        {"type": "mcp_approval_request", "server_label": "s", "name": "t", "arguments": "{}"},
        {"type": "mcp_list_tools", "server_label": "s", "tools": []},
        {"type": "custom_tool_call", "name": "c", "input": "x", "call_id": "call_c"},
    ]
    server.script("fields", [{"output": items}] * 4)
    messages: Any = [{"role": "user", "content": "Hello"}]
    async with client(server, "fields") as openai_client:
        responses = openai_client.responses.with_raw_response
        chats = openai_client.chat.completions.with_raw_response

        whole = await responses.create(model="gpt-4.1", input="Hello")
        streamed = await responses.create(model="gpt-4.1", input="Hello", stream=True)
        events = [event async for event in streamed.parse()]
        chat = await chats.create(model="gpt-4.1", messages=messages)
        chunked = await chats.create(
            model="gpt-4.1",
            messages=messages,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in chunked.parse()]

    Response.model_validate_json(whole.text)
    ChatCompletion.model_validate_json(chat.text)
    assert len(events) > 20
    for event in events:
        TypeAdapter[ResponseStreamEvent](ResponseStreamEvent).validate_python(event.to_dict())
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.to_dict())
    assert chunks[-1].usage is not None
