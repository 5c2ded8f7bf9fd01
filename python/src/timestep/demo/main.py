"""One process of the demo: plays its part of a run, up to a pause or to the end, and ends.

In the first act the run is paused and saved; in the second it is a durable run, in the middle of
which this process may be killed.

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

from timestep.demo.agent import refund_agent, selling_agent
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
        asyncio.run(_play_durably(task) if "run_id" in task else _play(task))
    except Exception as error:  # noqa: BLE001 - told to whoever started this process
        _tell("failed", error=f"{type(error).__name__}: {error}")
        return 1
    return 0


async def _play(task: dict[str, Any]) -> None:
    agent = refund_agent(task["model"], _tell_of_call)
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


async def _play_durably(task: dict[str, Any]) -> None:
    """Start the run or, if it is there, wait for it and go on with it if nobody else does."""
    from timestep.durable.configuration import configure_dbos
    from timestep.durable.reading import get_run
    from timestep.durable.runs import run_agent_workflow

    run_id = task["run_id"]
    agent = selling_agent(task["model"], _tell_of_call)
    configure_dbos(agents=[agent], lease_seconds=task["lease_seconds"])
    if await get_run(run_id) is not None:
        _tell("waits", run_id=run_id)
    result = await run_agent_workflow(agent, task["input"], workflow_id=run_id)
    _tell("finished", answer=result.final_output)


def _tell_of_call(tool: str, arguments: dict[str, str], output: str) -> None:
    _tell("called", tool=tool, arguments=arguments, output=output)


def _tell(event: str, **facts: object) -> None:
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


def _end_with_standard_input() -> None:
    # Not through sys.stdin: its lock, held by this thread, would be fatal when the process ends.
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
