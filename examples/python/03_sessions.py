"""One conversation over several programs, in either language.

python 03_sessions.py ada "My name is Ada."
node 03_sessions.ts ada "What is my name?"
"""

import asyncio
import sys

from agents import Agent
from timestep import Session, run_agent

agent = Agent(name="assistant", model="gpt-4.1")


async def main(session_id: str, text: str) -> None:
    session = Session(session_id)
    known = len(await session.get_items())
    print(f"{known} items are in the conversation.")
    result = await run_agent(agent, text, session)
    print(result.final_output)


asyncio.run(main(*sys.argv[1:]))
