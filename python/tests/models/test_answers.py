"""What an agent gets from a scripted Ollama, streamed and not: spec/vectors/models/answers.json."""

import re
from typing import Any

import pytest
from agents import (
    Agent,
    ModelBehaviorError,
    ModelSettings,
    RunConfig,
    Runner,
    RunResult,
    RunResultStreaming,
    function_tool,
)
from openai import BadRequestError
from openai.types.shared import Reasoning
from pydantic import BaseModel
from support.vectors import rows
from timestep.models import OllamaModelProvider
from timestep.testing import ModelServer

pytestmark = pytest.mark.anyio
ERRORS = {"ModelBehaviorError": ModelBehaviorError, "BadRequestError": BadRequestError}


class City(BaseModel):
    name: str


class Place(BaseModel):
    city: str


@function_tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@function_tool
def plant(place: Place) -> str:
    """Plant a tree."""
    return f"planted in {place.city}"


TOOLS = {"add": add, "plant": plant}


async def run(
    row: dict[str, Any], provider: OllamaModelProvider
) -> tuple[RunResult | RunResultStreaming, str]:
    """Run an agent; return the result and the text that came as deltas."""
    effort = row.get("effort")
    agent = Agent(
        name="helper",
        model="llama3",
        tools=[TOOLS[name] for name in row.get("tools", [])],
        output_type=City if "output_type" in row else None,
        model_settings=ModelSettings(reasoning=Reasoning(effort=effort) if effort else None),
    )
    config = RunConfig(model_provider=provider)
    if not row["streamed"]:
        return await Runner.run(agent, row["input"], run_config=config), ""
    result = Runner.run_streamed(agent, row["input"], run_config=config)
    text = ""
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            text += event.data.delta
            assert "_ollama_" in event.data.item_id
    return result, text


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "not-streamed"])
@pytest.mark.parametrize("row", rows("models/answers.json"))
async def test_an_agent_works_on_ollama(
    row: dict[str, Any], streamed: bool, model_server: ModelServer
) -> None:
    model_server.script("answer", row["steps"])
    provider = OllamaModelProvider(model_server.api_key("answer"), model_server.ollama_url)
    given = {**row, "streamed": streamed}
    try:
        if "error" in row:
            with pytest.raises(ERRORS[row["error"]]):
                await run(given, provider)
            return
        result, text = await run(given, provider)
    finally:
        await provider.aclose()
    output = result.final_output
    assert (output.model_dump() if isinstance(output, City) else output) == row["output"]
    assert text == (row["text"] if streamed else "")
    new = [item.to_input_item() for item in result.new_items]
    assert [item.get("type") for item in new] == row["items"]
    outputs = [str(one["output"]) for one in new if one.get("type") == "function_call_output"]
    assert outputs == row.get("tool_outputs", [])
    ids = [item["id"] for item in new if item.get("id")]
    assert len(set(ids)) == len(ids) >= 1
    assert all(re.fullmatch(r"(msg|fc|rs)_ollama_[0-9a-f]{32}", one) for one in ids)
    if "usage" in row:
        usage = result.context_wrapper.usage
        assert [usage.input_tokens, usage.output_tokens, usage.total_tokens] == row["usage"]
        assert usage.requests == len(row["steps"])
        assert len(usage.request_usage_entries) == len(row["steps"])
    asked = [one for one in model_server.requests("answer") if one["path"].endswith("responses")]
    assert len(asked) == len(row["steps"])
