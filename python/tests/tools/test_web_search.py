"""The tool web_search: spec/vectors/web_search."""

import dataclasses
import json
import logging
import socket
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, ModelSettings, RunConfig, Runner, UserError
from support.vectors import assert_error, rows
from timestep.models import MultiModelProvider
from timestep.testing import ModelServer
from timestep.tools import web_search
from timestep.tools.firecrawl import search
from timestep.tools.search_query import SearchQuery

pytestmark = pytest.mark.anyio
SPEC = Path(__file__).parents[3] / "spec"
QUERY = SearchQuery(query="tide times", limit=10)


@pytest.fixture
def service(model_server: ModelServer, monkeypatch: pytest.MonkeyPatch) -> ModelServer:
    monkeypatch.setenv("FIRECRAWL_API_URL", f"{model_server.firecrawl_url}/")
    monkeypatch.setenv("FIRECRAWL_API_KEY", model_server.api_key("service"))
    return model_server


async def run_with_search(server: ModelServer, arguments: str, *, approval: bool = False) -> Any:
    """Let an agent call the tool with exactly these arguments; pause when it needs approval."""
    call = {"type": "function_call", "name": "web_search", "arguments": arguments}
    steps = [{"output": [call]}, {"output": [{"type": "message", "text": "Done."}]}]
    server.script("searcher", steps)
    provider = MultiModelProvider(
        openai_api_key=server.api_key("searcher"), openai_base_url=server.url
    )
    tool = dataclasses.replace(web_search, needs_approval=True) if approval else web_search
    agent = Agent(name="searcher", tools=[tool], model_settings=ModelSettings(store=False))
    config = RunConfig(model_provider=provider)
    try:
        result = await Runner.run(agent, "Look it up.", run_config=config)
        if approval:
            assert server.requests("service") == []
            state = result.to_state()
            [pending] = state.get_interruptions()
            state.approve(pending)
            result = await Runner.run(agent, state, run_config=config)
        return result
    finally:
        await provider.aclose()


def told(result: Any) -> str:
    """Return what the tool said to the model."""
    [output] = [item.output for item in result.new_items if item.type == "tool_call_output_item"]
    return output


@pytest.mark.parametrize("row", rows("web_search/arguments.json"))
async def test_arguments_become_a_search(row: dict[str, Any], service: ModelServer) -> None:
    service.script("service", [{"search": {"web": []}}])
    result = await run_with_search(service, row["arguments"])
    asked = service.requests("service")
    if "body" not in row:
        assert told(result) == row.get("output", told(result))
        assert row.get("mentions", "") in told(result)
        assert asked == []
        return
    assert [json.loads(request["body"]) for request in asked] == [row["body"]]
    assert asked[0]["path"] == "/firecrawl/v2/search"


async def test_a_search_that_waits_for_approval_is_made_after_it(service: ModelServer) -> None:
    service.script("service", [{"search": {"web": [{"title": "T", "url": "https://shom.fr"}]}}])
    result = await run_with_search(service, '{"query":"tide times"}', approval=True)
    assert "https://shom.fr" in told(result)
    assert len(service.requests("service")) == 1


@pytest.mark.parametrize("row", rows("web_search/results.json"))
async def test_results_become_text(row: dict[str, Any], service: ModelServer) -> None:
    answer = json.dumps({"success": True, "data": {"web": row["web"]}})
    service.script("service", [{"search": {}, "fault": {"raw": answer}}])
    query = dataclasses.replace(QUERY, domains=row.get("domains", []))
    assert await search(query) == row["output"]


@pytest.mark.parametrize("row", rows("web_search/failures.json"))
async def test_a_failure_is_told(
    row: dict[str, Any],
    service: ModelServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    service.script("service", [{"search": {}, **step} for step in row.get("steps", [])])
    if row.get("environment") == "none":
        monkeypatch.delenv("FIRECRAWL_API_URL")
        monkeypatch.delenv("FIRECRAWL_API_KEY")
    if row.get("environment") == "refused":
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            monkeypatch.setenv("FIRECRAWL_API_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
    patience = {"patience": row["patience"]} if "patience" in row else {}
    with caplog.at_level(logging.WARNING, "timestep"):
        if "error" in row:
            with pytest.raises(UserError) as raised:
                await search(QUERY, **patience)
            assert_error(raised.value, row["error"])
        else:
            assert await search(QUERY, **patience) == row["output"]
    assert len(service.requests("service")) == row["requests"]
    is_unavailable = "unavailable" in row.get("output", "")
    own = [record for record in caplog.records if record.name == "timestep"]
    assert bool(own) is is_unavailable
    assert "test-service" not in caplog.text


async def test_a_refused_key_ends_the_run(service: ModelServer) -> None:
    service.script("service", [{"search": {}, "fault": {"status": 401}}])
    with pytest.raises(UserError, match="FIRECRAWL_API_KEY"):
        await run_with_search(service, '{"query":"tide times"}')


async def test_an_address_without_a_key_gets_none(
    service: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FIRECRAWL_API_KEY")
    before = len(service.requests())
    with pytest.raises(UserError, match="401"):
        await search(QUERY)
    [request] = service.requests()[before:]
    assert "authorization" not in request["headers"]


async def test_an_address_must_be_http(
    service: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRECRAWL_API_URL", "localhost:3002")
    with pytest.raises(UserError, match="FIRECRAWL_API_URL"):
        await search(QUERY)


def test_the_tool_is_the_one_of_the_specification() -> None:
    schema = json.loads((SPEC / "tools" / "web_search.schema.json").read_text("utf-8"))
    assert web_search.name == schema["name"]
    assert web_search.description == schema["description"]
    assert web_search.params_json_schema == schema["parameters"]
    assert web_search.strict_json_schema is schema["strict"]
