"""How much a saved run takes, and what it cannot be restored from."""

import json
from typing import Any

import pytest
from agents import Agent, RunContextWrapper, RunState, function_tool
from run_state.passes import Play
from run_state.scenarios import ONE, Scenario, call, refund_tool, step
from timestep.errors import NotPortableError
from timestep.run_state.from_envelope import from_envelope
from timestep.run_state.record import encode
from timestep.run_state.to_envelope import to_envelope
from timestep.testing import ModelServer

pytestmark = pytest.mark.anyio


async def test_an_output_lies_in_the_document_once():
    outputs: list[str] = []

    def talkative(model: Any, ran: list[str]) -> Agent[Any]:
        @function_tool
        def tell(n: int) -> str:
            outputs.append(f"{n:05}" * 1000)
            return outputs[-1]

        return Agent(name="clerk", model=model, tools=[tell, refund_tool(ran)])

    calls = [
        [call("tell", {"n": n}, f"call_{n}") for n in range(i, i + 10)] for i in range(0, 100, 10)
    ]
    sizes: list[int] = []

    async def pass_on(state: Any, agent: Any) -> Any:
        sizes.append(len(encode(to_envelope(state, state.to_json()))))
        return state

    scenario = Scenario(
        "talkative", talkative, [*(step(*c) for c in calls), *ONE], options={"max_turns": None}
    )
    with ModelServer() as server:
        await Play(scenario, server, pass_on).to_the_end()

    raw = sum(map(len, outputs))
    assert raw == 100 * 5000
    assert sizes[0] <= 1.2 * raw


async def test_what_the_sdk_cannot_read_is_refused_with_the_writers_name():
    agent = Agent(name="clerk")
    state = RunState(RunContextWrapper(None), "start", agent, 10)
    envelope = to_envelope(state, state.to_json())
    arguments = json.dumps({"text": "\ud800"})  # the SDK cannot take a digest of these
    raw = {"type": "function_call", "name": "f", "call_id": "c", "arguments": arguments}
    envelope["items"] = [{"type": "tool_call_item", "agent": "clerk", "raw": raw}]

    with pytest.raises(NotPortableError, match="Continue it in python"):
        await from_envelope(envelope, agent)


async def test_a_context_may_be_replaced_when_a_run_is_restored():
    agent = Agent(name="clerk")
    state = RunState(RunContextWrapper({"a": 1}), "start", agent, 10)
    mine = RunContextWrapper({"b": 2})

    restored = await from_envelope(
        to_envelope(state, state.to_json()), agent, context_override=mine
    )

    assert restored._context is mine
