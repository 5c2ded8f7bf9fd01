"""A process that opens the database and saves SAVES states, for processes.py."""

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from agents import Agent, RunContextWrapper, RunState
from timestep import RunStateStore
from timestep.database import open_database


async def main(me: str) -> None:
    """Save one state after another."""
    await open_database()
    agent = Agent(name="assistant")
    for n in range(int(os.environ["SAVES"])):
        state = RunState(RunContextWrapper({}), f"input {n}", agent, 10)
        await RunStateStore(agent, f"{me}-{n}").save(state)


asyncio.run(main(sys.argv[1]))
