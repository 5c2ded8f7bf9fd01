"""A run changes provider and language at each pause: no provider sees what is another's."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from timestep.testing import ModelServer, Step

from .processes import Program

THOUGHT = {"type": "reasoning", "summary": "Let me think.", "text": "Let me think."}
PAY: list[Step] = [
    {"output": [THOUGHT, {"type": "function_call", "name": "pay", "arguments": {"amount": each}}]}
    for each in (1, 2)
]
DONE: Step = {"output": [{"type": "message", "text": "Done."}]}
OURS = {"OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "p-1", "OPENAI_CUSTOM_HEADERS": "X-Team: a"}
OPENAI_ONLY = ("openai-organization", "openai-project", "x-team")


@pytest.fixture(scope="module")
def payer() -> Iterator[Program]:
    with Program(Path(__file__).parent / "providers" / "payer") as program:
        yield program


@pytest.mark.parametrize("first", ["gpt-4.1", "ollama"])
@pytest.mark.parametrize("writer", ["python", "typescript"])
def test_a_run_that_changes_both_shows_each_provider_its_own(
    payer: Program, writer: str, first: str, empty_database_url: str, tmp_path: Path
) -> None:
    script = f"payer-{writer}-{first[:3]}"
    languages = [writer, "typescript" if writer == "python" else "python", writer]
    models = ["gpt-4.1", f"ollama/{script}", "gpt-4.1"]
    if first == "ollama":
        models = [f"ollama/{script}", "gpt-4.1", f"ollama/{script}"]
    with ModelServer() as server:
        server.script(script, [*PAY, DONE])
        environment = {
            **os.environ,
            **OURS,
            "PG_CONNECTION_URI": empty_database_url,
            "OPENAI_BASE_URL": server.url,
            "OPENAI_API_KEY": server.api_key(script),
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
            "OLLAMA_HOST": server.ollama_url,
            "OLLAMA_API_KEY": "cloud-key",
        }
        said = [
            payer.output(
                language, ["resume" if at else "begin", script, model], environment, tmp_path
            )
            for at, (language, model) in enumerate(zip(languages, models, strict=True))
        ]
        requests = [each for each in server.requests(script) if "/responses" in each["path"]]
    assert said == ["None", "None", "Done."]
    assert ["/ollama/" in each["path"] for each in requests] == ["ollama/" in m for m in models]
    for at, request in enumerate(requests):
        to_ollama = "/ollama/" in request["path"]
        items = json.loads(request["body"])["input"]
        outputs = [item["output"] for item in items if item.get("type") == "function_call_output"]
        assert outputs == ["paid 1", "paid 2"][:at]
        ids = [item["id"] for item in items if "id" in item]
        assert [one for one in ids if ("_ollama_" in one) is not to_ollama] == []
        thoughts = [item for item in items if item.get("type") == "reasoning"]
        assert len(thoughts) == (1 if at == 2 else 0)  # of its own first answer
        sent = json.dumps([request["headers"], items])
        assert ("stub-cipher" in sent) is (bool(thoughts) and not to_ollama)
        assert [name in request["headers"] for name in OPENAI_ONLY] == [not to_ollama] * 3
        assert (server.api_key(script) in sent) is not to_ollama
        assert "cloud-key" not in sent
