"""The rows of spec/vectors/model_server, against the copy of the server that Python runs."""

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from timestep.testing import ModelServer

FOLDER = Path(__file__).parents[3] / "spec" / "vectors" / "model_server"
GREETING = [{"output": [{"type": "message", "text": "Hi"}]}]


def rows() -> Iterator[Any]:
    for file in sorted(FOLDER.glob("*.json")):
        for index, row in enumerate(json.loads(file.read_text("utf-8"))["rows"]):
            script_id = f"{file.stem}-{index}"
            yield pytest.param(script_id, row, id=f"{file.stem}: {row['description']}")


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


def post(server: ModelServer, script_id: str, row: dict[str, Any], body: str) -> tuple[int, str]:
    given = row.get("headers", {"authorization": f"Bearer {server.api_key(script_id)}"})
    headers = {name: value.replace("{script}", script_id) for name, value in given.items()}
    connection = http.client.HTTPConnection(server.origin.removeprefix("http://"), timeout=10)
    try:
        connection.request("POST", row.get("path", "/v1/responses"), body.encode(), headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def holds(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            name in found and holds(found[name], value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(holds, found, wanted))
    return found == wanted


@pytest.mark.parametrize(("script_id", "row"), list(rows()))
def test_row(server: ModelServer, script_id: str, row: dict[str, Any]) -> None:
    script = dict(row.get("script", {}))
    server.script(script_id, script.pop("steps", GREETING), **script)
    for body in row.get("before", []):
        assert post(server, script_id, row, json.dumps(body))[0] == 200
    sent = row.get("text") or json.dumps(row["body"]).replace("{script}", script_id)

    status, received = post(server, script_id, row, sent)

    assert status == row["status"], received
    if "answer_text" in row:
        assert received == row["answer_text"]
    if "answer" in row:
        assert holds(json.loads(received), row["answer"]), received
    if "error" in row:
        error = json.loads(received)["error"]
        message = row["error"].pop("message", "")
        assert holds(error, row["error"]), received
        assert message in error["message"]
