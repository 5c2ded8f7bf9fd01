"""Start a run in one language, approve and end it in the other.

python 02_cross_language.py start           prints a session id
python 02_cross_language.py resume <id>     or: node 02_cross_language.ts resume <id>
"""

import asyncio
import sys

from agents import Agent, function_tool
from timestep import RunStateStore, Session, run_agent


@function_tool(needs_approval=True)
def send_refund(order: str, amount: int) -> str:
    """Pay money back to the customer of an order."""
    print(f"Paying {amount} for order {order}.")
    return f"Refunded {amount} for order {order}."


agent = Agent(name="assistant", model="gpt-4.1", tools=[send_refund])


async def start() -> None:
    session = Session()
    result = await run_agent(agent, "Please refund 25 for order 4711.", session)
    if not result.interruptions:
        print(result.final_output)
        return
    store = RunStateStore(agent=agent, session_id=session.session_id)
    await store.save(result.to_state())
    for call in result.interruptions:
        print(f"Waiting: {call.name} {call.arguments}")
    print(f"Resume with: {session.session_id}")


async def resume(session_id: str) -> None:
    store = RunStateStore(agent=agent, session_id=session_id)
    state = await store.load()
    for call in state.get_interruptions():
        print(f"Approving: {call.name} {call.arguments}")
        state.approve(call)
    result = await run_agent(agent, state, Session(session_id))
    print(result.final_output)


match sys.argv[1:]:
    case ["start"]:
        asyncio.run(start())
    case ["resume", session_id]:
        asyncio.run(resume(session_id))
    case _:
        sys.exit(__doc__)
