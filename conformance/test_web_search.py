"""A web search that waits for approval in one language runs in the other."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from timestep.testing import ModelServer

from .processes import Program

ARGUMENTS = {
    "query": "tides Saint-Malo",
    "user_location": None,
    "filters": {"allowed_domains": ["shom.fr"]},
    "search_context_size": "low",
}
TIDES = {"title": "Tides", "url": "https://shom.fr/tides", "description": "High at noon."}


@pytest.fixture(scope="module")
def searcher() -> Iterator[Program]:
    with Program(Path(__file__).parent / "web_search" / "searcher") as program:
        yield program


@pytest.mark.parametrize(
    ("writer", "reader"),
    [("python", "typescript"), ("typescript", "python"), ("python", "python")],
)
def test_a_search_that_waits_in_one_language_runs_in_the_other(
    searcher: Program, writer: str, reader: str, empty_database_url: str, tmp_path: Path
) -> None:
    with ModelServer() as server:
        script = f"{writer}_{reader}"
        call = {"type": "function_call", "name": "web_search", "arguments": ARGUMENTS}
        answer = {"type": "message", "text": "At noon."}
        server.script(
            script, [{"output": [call]}, {"search": {"web": [TIDES]}}, {"output": [answer]}]
        )
        environment = {
            **os.environ,
            "PG_CONNECTION_URI": empty_database_url,
            "OPENAI_BASE_URL": server.url,
            "OPENAI_API_KEY": server.api_key(script),
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
            "FIRECRAWL_API_URL": server.firecrawl_url,
            "FIRECRAWL_API_KEY": server.api_key(script),
        }
        assert searcher.output(writer, ["pause", script], environment, tmp_path) == "1"
        assert not any("/search" in entry["path"] for entry in server.requests(script))
        assert searcher.output(reader, ["resume", script], environment, tmp_path) == "At noon."
        _, search, answered = server.requests(script)
    asked = json.loads(search["body"])
    assert (asked["query"], asked["limit"], asked["includeDomains"]) == (
        ARGUMENTS["query"],
        5,
        ["shom.fr"],
    )
    output = json.loads(answered["body"])["input"][-1]["output"]
    assert "High at noon." in output
