"""The agent of the benchmarks, and scripts that lead it to states of a given size."""

from typing import Any

from agents import Agent, RunState, function_tool
from timestep import run_agent
from timestep.testing import ModelServer

CALLS_PER_TURN = 20


@function_tool
def look_up(text: str) -> str:
    """Return a text of the asked length, or the text."""
    return "x" * int(text) if text.isdigit() else text


@function_tool(needs_approval=True)
def pay(order: str) -> str:
    """Pay an order."""
    return f"paid {order}"


AGENT = Agent(name="assistant", model="gpt-4.1", tools=[look_up, pay])
ASK = {"type": "function_call", "name": "pay", "arguments": {"order": "4711"}}
DONE = {"type": "message", "text": "Done."}


def turns(calls: int, argument: str) -> list[dict[str, Any]]:
    """Return model answers with so many calls in all, a few in each."""
    call = {"type": "function_call", "name": "look_up", "arguments": {"text": argument}}
    whole, rest = divmod(calls, CALLS_PER_TURN)
    sizes = [CALLS_PER_TURN] * whole + ([rest] if rest else [])
    return [{"output": [call] * size} for size in sizes]


async def paused(
    server: ModelServer, script: str, *, items: int, argument: str = "hello"
) -> RunState[Any]:
    """Return a state of about so many items that waits for an approval."""
    server.script(script, [*turns(items // 2, argument), {"output": [ASK]}])
    result = await run_agent(AGENT, "Begin", max_turns=None)
    return result.to_state()
