"""One process of the demo: plays its part of a run, up to a pause or to the end, and ends.

The task comes as one line of JSON on standard input, what happens goes out as lines of JSON on
standard output. Standard input is left open by whoever started this process: when it closes, the
demo is gone and so is this. demo/main.ts is the same in TypeScript.
"""

import asyncio
import json
import os
import platform
import sys
import threading
from typing import Any

from agents import RunState

from timestep.demo.agent import refund_agent
from timestep.errors import ConfigurationError
from timestep.run_state.store import RunStateStore
from timestep.runner import run_agent
from timestep.session import Session


def main() -> int:
    """Play one part and return the exit code."""
    task = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    _tell("began", runtime=f"Python {platform.python_version()}", process=os.getpid())
    try:
        asyncio.run(_play(task))
    except Exception as error:  # noqa: BLE001 - told to whoever started this process
        _tell("failed", error=f"{type(error).__name__}: {error}")
        return 1
    return 0


async def _play(task: dict[str, Any]) -> None:
    agent = refund_agent(
        task["model"],
        lambda tool, arguments, output: _tell(
            "called", tool=tool, arguments=arguments, output=output
        ),
    )
    session = Session(task["session_id"])
    async with RunStateStore(agent=agent, session_id=task["session_id"]) as store:
        run_input = task["input"] or await _loaded(store, task)
        result = await run_agent(agent, run_input, session)
        if not result.interruptions:
            _tell("finished", answer=result.final_output)
            return
        version = await store.save(result.to_state())
        calls = [{"tool": each.name, "arguments": each.arguments} for each in result.interruptions]
        _tell("paused", session_id=session.session_id, version=version, calls=calls)


async def _loaded(store: RunStateStore, task: dict[str, Any]) -> RunState[Any, Any]:
    """Load the paused run and note on it what was decided."""
    state = await store.load(version=task["version"])
    _tell("resumes", session_id=store.session_id, version=task["version"])
    calls, decisions = state.get_interruptions(), task["decisions"]
    if len(calls) != len(decisions):
        raise ConfigurationError(f"{len(calls)} calls wait, but {len(decisions)} were decided on.")
    for call, decision in zip(calls, decisions, strict=True):
        if decision["approve"]:
            state.approve(call)
        else:
            state.reject(call, rejection_message=decision["message"])
    return state


def _tell(event: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


def _end_with_standard_input() -> None:
    # Not through sys.stdin: its lock, held by this thread, would be fatal when the process ends.
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
