"""An agent that asks before it pays. Run it, and answer the question.

python 01_approval.py
"""

import asyncio

from agents import Agent, function_tool
from timestep import RunStateStore, Session, run_agent


@function_tool(needs_approval=True)
def send_refund(order: str, amount: int) -> str:
    """Pay money back to the customer of an order."""
    print(f"Paying {amount} for order {order}.")
    return f"Refunded {amount} for order {order}."


agent = Agent(
    name="assistant",
    model="gpt-4.1",
    instructions="You handle refunds. Use the tool; do not ask back.",
    tools=[send_refund],
)


async def main() -> None:
    session = Session()
    store = RunStateStore(agent=agent, session_id=session.session_id)

    result = await run_agent(agent, "Please refund 25 for order 4711.", session)
    while result.interruptions:
        await store.save(result.to_state())
        state = await store.load()
        for call in state.get_interruptions():
            print(f"The agent wants to call {call.name} with {call.arguments}. Allow it? [y/N]")
            if (await asyncio.to_thread(input)).strip().lower() == "y":
                state.approve(call)
            else:
                state.reject(call, rejection_message="The customer service said no.")
        result = await run_agent(agent, state, session)
    print(result.final_output)


asyncio.run(main())
