"""The counting agent with dbos-openai-agents, as its documentation has it: tools are steps."""

import asyncio
import json
import os
import sys
from typing import Any

from agents import function_tool
from counting import counter
from dbos import DBOS, DBOSConfig
from dbos_openai_agents import DBOSRunner
from said import Calls, obey, say

agent: Any = None


@function_tool
@DBOS.step()
async def add_one(number: int) -> str:
    return str(number + 1)


@DBOS.workflow()
async def run_agent(turns: int) -> str:
    result = await DBOSRunner.run(agent, "go", max_turns=turns + 1)
    return str(result.final_output)


async def main(turns: int, runs: int | None = None, stop_at: int | None = None) -> None:
    global agent
    agent = counter(turns, before=None if runs is None else Calls(stop_at))
    agent.tools = [add_one]
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": os.environ["PG_CONNECTION_URI"],
        "log_level": "ERROR",
    }
    DBOS(config=config)
    say("launch")
    DBOS.launch()
    if runs is None:
        await obey(lambda: run_agent(turns))
    elif stop_at:
        await asyncio.gather(*(run_agent(turns) for _ in range(runs)))
    left = await DBOS.list_workflows_async(status=["PENDING", "ENQUEUED"], name="run_agent")
    for workflow in left:
        handle = await DBOS.retrieve_workflow_async(workflow.workflow_id)
        await handle.get_result()
    say("ended")
    await asyncio.Event().wait()


asyncio.run(main(**json.loads(sys.argv[1])))
