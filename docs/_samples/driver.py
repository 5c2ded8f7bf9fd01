"""Run files as a line of JSON says, one after the other, and answer with what they printed.

A line is {"file", "arguments", "environment"}; the answer is {"output", "error"}. driver.ts is the
same in TypeScript. Samples may await at their top level, as in `python -m asyncio`.
"""

import ast
import asyncio
import contextlib
import inspect
import io
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import httpx2


def run(file: Path, arguments: list[str], environment: dict[str, str]) -> dict[str, str | None]:
    """Run one file and return its output and, if it failed, why."""
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = [str(file), *arguments]
    sys.path[0] = str(file.parent)
    printed = io.StringIO()
    error = None
    known = set(sys.modules)
    with contextlib.redirect_stdout(printed):
        try:
            execute(file)
        except BaseException:  # noqa: BLE001 - whatever it is, it is told to the page's test
            error = traceback.format_exc()
        finally:
            end_durable_runs()
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(file.parent)):
            del sys.modules[name]  # each sample is a process of its own, to its own files
    return {"output": printed.getvalue(), "error": error}


def execute(file: Path) -> None:
    """Run the file; where it awaits, in an event loop of its own."""
    name = file.stem if file.stem.isidentifier() else "__main__"
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(file.read_text(encoding="utf-8"), str(file), "exec", flags=flags)
    names: dict[str, Any] = {"__name__": name, "__file__": str(file)}
    answer = eval(code, names)
    if inspect.iscoroutine(answer):
        asyncio.run(answer)


def end_durable_runs() -> None:
    """End what a sample launched, as the end of its process does for readers."""
    if launch := sys.modules.get("timestep.durable.launch"):
        launch.cleanup_dbos()


def keep_at_home() -> None:
    """Send what is meant for Ollama Cloud to the model server."""
    send = httpx2.AsyncHTTPTransport.handle_async_request

    async def redirected(self: Any, request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "ollama.com":
            cloud = os.environ["OLLAMA_CLOUD_FOR_SAMPLES"]
            request.url = httpx2.URL(f"{cloud}{request.url.raw_path.decode()}")
            request.headers["X-Timestep-Script"] = os.environ["SCRIPT_FOR_SAMPLES"]
        return await send(self, request)

    httpx2.AsyncHTTPTransport.handle_async_request = redirected


if __name__ == "__main__":
    keep_at_home()
    answers = sys.stdout
    for line in sys.stdin:
        command = json.loads(line)
        answer = run(Path(command["file"]), command["arguments"], command["environment"])
        print(json.dumps(answer), file=answers, flush=True)
