"""Begin a run, or approve what waits and go on: payer.py begin|resume <session id> <model>."""

import asyncio
import sys

from agents import Agent, ModelSettings, function_tool
from timestep import RunStateStore, Session, run_agent


@function_tool(needs_approval=True)
def pay(amount: int) -> str:
    """Pay an amount."""
    return f"paid {amount}"


async def main(step: str, session_id: str, model: str) -> None:
    # A run whose thinking travels with it, as where OpenAI stores nothing.
    settings = ModelSettings(store=False, response_include=["reasoning.encrypted_content"])
    agent = Agent(name="payer", model=model, tools=[pay], model_settings=settings)
    session = Session(session_id)
    store = RunStateStore(agent, session_id)
    run_input = "Pay twice." if step == "begin" else await store.load()
    if not isinstance(run_input, str):
        run_input.approve(run_input.get_interruptions()[0])
    result = await run_agent(agent, run_input, session)
    if result.interruptions:
        await store.save(result.to_state())
    print(result.final_output)


def begin(*arguments: str) -> int:
    asyncio.run(main(*arguments))
    return 0


if __name__ == "__main__":
    sys.exit(begin(*sys.argv[1:]))
