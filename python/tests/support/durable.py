"""Durable runs in processes of their own, with the model that they talk to."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.forkserver import Child, ForkServer
from support.postgres import clean_environment, execute
from timestep.testing import ModelServer, Step

WORKER = Path(__file__).parent.parent / "durable" / "worker.py"


def call(name: str, call_id: str, **arguments: object) -> dict[str, Any]:
    """Return a function call of the model's."""
    return {"type": "function_call", "name": name, "arguments": arguments, "call_id": call_id}


def says(*output: dict[str, Any] | str) -> Step:
    """Return a step of the model's, every item with an id that does not depend on its place."""
    items = [
        {"type": "message", "text": item, "id": f"msg_{item}"}
        if isinstance(item, str)
        else {**item, "id": f"fc_{item['call_id']}"}
        for item in output
    ]
    return {"output": items, "usage": {"input_tokens": 10, "output_tokens": 1}}


class Company:
    """A database, a model, and the processes that work with both."""

    def __init__(
        self, url: str, server: ModelServer, workers: ForkServer, folder: Path, script: str
    ) -> None:
        self.url = url
        self.workers = workers
        self.folder = folder
        self.server = server
        self.effects_file = folder / "effects"
        self.effects_file.touch()
        self.script_id = script
        self.asked = 0  # requests before the script was set anew

    def script(self, *steps: Step) -> None:
        self.steps = list(steps)
        self.server.script(self.script_id, self.steps)

    def rewind_script(self) -> None:
        """Let the model go on after the last response that is recorded."""
        self.asked += len(self.server.requests(self.script_id))
        sql = "select count(*) from timestep.steps where kind = 'model' and run_id = 'w'"
        recorded = self.rows(sql)[0][0]
        self.server.script(self.script_id, self.steps[recorded:])

    @property
    def model_calls(self) -> int:
        return self.asked + len(self.server.requests(self.script_id))

    def worker(self, command: str, *, kill: str = "", lease: float = 3, **options: Any) -> Child:
        """Start a worker process."""
        environment = clean_environment(
            PG_CONNECTION_URI=self.url,
            OPENAI_API_KEY=self.server.api_key(self.script_id),
            OPENAI_BASE_URL=self.server.url,
            EFFECTS=str(self.effects_file),
            LEASE=str(lease),
            **({"KILL": kill} if kill else {}),
        )
        return self.workers.start([command, json.dumps(options)], environment, self.folder)

    def run(self, command: str, *, seconds: float = 60, **options: Any) -> Any:
        """Run a worker to its end and return its answer."""
        return answer_of(self.worker(command, **options), seconds=seconds)

    def run_killed(self, kill: str, **options: Any) -> bool:
        """Run a worker that kills itself; False if it ended before it came to that."""
        process = self.worker("run", kill=kill, **options)
        code = process.wait()
        assert code in (0, -9), process.errors
        return code == -9

    def effects(self, what: str | None = None, tool: str | None = None) -> list[list[Any]]:
        lines = [json.loads(line) for line in self.effects_file.read_text().splitlines()]
        return [
            each
            for each in lines
            if (what is None or each[0] == what) and (tool is None or each[1] == tool)
        ]

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return execute(self.url, sql)


def answer_of(process: Child, *, seconds: float = 60) -> Any:
    """Return the answer of a worker; what it wrote to standard error, where it has none."""
    code = process.wait(seconds)
    lines = process.output.splitlines()
    assert lines, process.errors
    answer = json.loads(lines[-1])
    return {**answer, "errors": process.errors} if code else answer


@pytest.fixture(scope="session")
def workers() -> Iterator[ForkServer]:
    """What worker processes are started by."""
    with ForkServer(WORKER) as server:
        yield server


@pytest.fixture
def company(
    database_url: str,
    model_server: ModelServer,
    workers: ForkServer,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Company:
    """A database, a model and workers."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)
    return Company(database_url, model_server, workers, tmp_path, name)
