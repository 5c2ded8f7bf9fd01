"""The counting agent in durable runs of Timestep: timed, or killed and started again."""

import asyncio
import json
import sys

from counting import counter
from said import Calls, obey, say
from timestep import configure_dbos, ensure_dbos_launched, list_runs, run_agent_workflow


async def timed(turns: int) -> None:
    agent = counter(turns)
    configure_dbos("bench-peers")
    ensure_dbos_launched()
    await obey(lambda: run_agent_workflow(agent, "go", max_turns=turns + 1))


async def recovered(runs: int, turns: int, stop_at: int | None) -> None:
    agent = counter(turns, before=Calls(stop_at))
    configure_dbos("bench-recovery", agents=[agent], executor_id="bench")
    say("launch")
    ensure_dbos_launched()
    if stop_at:
        started = [run_agent_workflow(agent, "go", max_turns=turns + 1) for _ in range(runs)]
        await asyncio.gather(*started)
    while await list_runs(status="running"):  # noqa: ASYNC110 - it has no event in this process
        await asyncio.sleep(0.2)
    say("ended")
    await asyncio.Event().wait()


async def main(turns: int, runs: int | None = None, stop_at: int | None = None) -> None:
    await (timed(turns) if runs is None else recovered(runs, turns, stop_at))


asyncio.run(main(**json.loads(sys.argv[1])))
