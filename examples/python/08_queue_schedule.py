"""Runs that wait in a queue for a worker of either language, and runs by the clock.

python 08_queue_schedule.py work                 executes what comes; end it with Ctrl-C
python 08_queue_schedule.py queue typescript     three runs for a TypeScript worker (or: python)
python 08_queue_schedule.py schedule             one run every second, until two have ended
"""

import asyncio
import sys
from datetime import timedelta
from typing import Literal, cast

from agents import Agent
from timestep import (
    ModelRateLimit,
    configure_dbos,
    create_scheduled_agent_workflow,
    delete_schedule,
    ensure_dbos_launched,
    list_runs,
    queue_agent_workflow,
    set_rate_limit,
)

agent = Agent(name="reporter", model="gpt-4.1", instructions="Report in one sentence.")


async def work() -> None:
    await set_rate_limit("gpt-4.1", ModelRateLimit(requests=100, per=timedelta(minutes=1)))
    print("Working.", flush=True)
    await asyncio.Event().wait()


async def queue(runtime: Literal["python", "typescript"]) -> None:
    handles = [
        await queue_agent_workflow(
            agent, f"Report on {topic}.", queue_name="reports", priority=priority, runtime=runtime
        )
        for priority, topic in enumerate(("orders", "refunds", "parcels"), start=1)
    ]
    for handle in handles:
        print((await handle.get_result()).final_output)
    ran = {run.run_id: run.language for run in await list_runs(agent="reporter")}
    print("Executed by:", *{ran[handle.run_id] for handle in handles})


async def schedule() -> None:
    name = create_scheduled_agent_workflow("* * * * * *", agent, "Report.", name="every-second")
    ended = []
    while len(ended) < 2:
        await asyncio.sleep(0.5)
        completed = await list_runs(status="completed", agent="reporter")
        ended = [run for run in completed if run.schedule == name]
    await delete_schedule(name)
    for run in ended[-2:]:
        print(f"A run of {run.schedule}: {run.output}")


async def main(arguments: list[str]) -> None:
    configure_dbos(agents=[agent], queues={"reports": {"concurrency": 2}})
    ensure_dbos_launched()
    match arguments:
        case ["work"]:
            await work()
        case ["queue", "python" | "typescript" as runtime]:
            await queue(cast("Literal['python', 'typescript']", runtime))
        case ["schedule"]:
            await schedule()
        case _:
            sys.exit(__doc__)


asyncio.run(main(sys.argv[1:]))
