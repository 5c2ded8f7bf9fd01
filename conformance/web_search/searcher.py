"""Pause before a web search, or go on from the pause: searcher.py pause|resume <session id>."""

import asyncio
import dataclasses
import sys

from agents import Agent
from timestep import RunStateStore, Session, run_agent, web_search

agent = Agent(
    name="researcher",
    model="gpt-4.1",
    tools=[dataclasses.replace(web_search, needs_approval=True)],
)


async def main(step: str, session_id: str) -> None:
    session = Session(session_id)
    store = RunStateStore(agent, session_id)
    if step == "pause":
        result = await run_agent(agent, "When is high tide?", session)
        await store.save(result.to_state())
        print(len(result.interruptions))
        return
    state = await store.load()
    state.approve(state.get_interruptions()[0])
    print((await run_agent(agent, state, session)).final_output)


def begin(*arguments: str) -> int:
    asyncio.run(main(*arguments))
    return 0


if __name__ == "__main__":
    sys.exit(begin(*sys.argv[1:]))
