"""Runs scenarios to their end, passing the run from hand to hand at every pause."""

import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from agents import (
    Agent,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    RunState,
    SQLiteSession,
)
from openai import AsyncOpenAI
from run_state.scenarios import Decision, Scenario
from timestep.testing import ModelServer

Pass = Callable[[RunState[Any, Any], Agent[Any]], Awaitable[RunState[Any, Any]]]


@dataclass
class Outcome:
    """What a run did and came to."""

    requests: list[Any] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    output: Any = None
    usage: Any = None
    turn: int = 0
    last_agent: str = ""
    pauses: list[list[str]] = field(default_factory=list)
    session: list[Any] = field(default_factory=list)


def script_of(scenario: Scenario) -> str:
    """Return the id of the scenario's script at the model server."""
    return scenario.name.replace(" ", "_").replace(",", "")


@dataclass
class Play:
    """One run of a scenario against the scripted model."""

    scenario: Scenario
    server: ModelServer
    pass_on: Pass
    streamed: bool = False
    decided_first: bool = True
    seen: Callable[[RunState[Any, Any]], None] = lambda state: None

    async def to_the_end(self) -> Outcome:
        scenario, outcome = self.scenario, Outcome()
        script = script_of(scenario)
        self.server.script(
            script, scenario.steps, seed="one", conversations=scenario.conversations or None
        )
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(
                AsyncOpenAI(base_url=self.server.url, api_key=self.server.api_key(script))
            )
            kind = OpenAIChatCompletionsModel if scenario.chat else OpenAIResponsesModel
            model = kind("gpt-4.1", client)
            session = SQLiteSession("s") if scenario.session else None
            if session:
                stack.callback(session.close)

            async def fresh_agent() -> Agent[Any]:
                agent = scenario.agent(model, outcome.ran)
                for mcp in agent.mcp_servers:
                    await stack.enter_async_context(mcp)
                return agent

            agent: Agent[Any] = await fresh_agent()
            result = await self._run(agent, scenario.run_input, session)
            while result.interruptions:
                outcome.pauses.append([i.tool_name or "" for i in result.interruptions])
                assert len(outcome.pauses) < 20
                state = result.to_state()
                if self.decided_first:
                    self._decide(state, len(outcome.pauses) - 1)
                agent = await fresh_agent()
                state = await self.pass_on(state, agent)
                if not self.decided_first:
                    self._decide(state, len(outcome.pauses) - 1)
                self.seen(state)
                result = await self._run(agent, state, session)
            ended = result.to_state()
            outcome.output = result.final_output
            outcome.usage = ended.to_json(context_serializer=scenario.context_serializer)[
                "context"
            ]["usage"]
            outcome.turn = ended._current_turn
            outcome.last_agent = result.last_agent.name
            outcome.session = await session.get_items() if session else []
        journal = self.server.requests(script)
        assert [entry["status"] for entry in journal] == [200] * len(scenario.steps)
        outcome.requests = [json.loads(entry["body"]) for entry in journal]
        return outcome

    async def _run(self, agent: Agent[Any], run_input: Any, session: Any) -> Any:
        options = {"context": self.scenario.context, **self.scenario.options}
        if isinstance(run_input, RunState):
            options.pop("context")
            options.pop("max_turns", None)
        options |= {"session": session, "run_config": RunConfig(tracing_disabled=True)}
        if not self.streamed:
            return await Runner.run(agent, run_input, **options)
        result = Runner.run_streamed(agent, run_input, **options)
        async for _ in result.stream_events():
            pass
        return result

    def _decide(self, state: RunState[Any, Any], pause: int) -> None:
        for item in state.get_interruptions():
            decision: Decision = self.scenario.decide(item, pause)
            if decision.approve:
                state.approve(item, always_approve=decision.always)
            elif decision.approve is not None:
                state.reject(
                    item, always_reject=decision.always, rejection_message=decision.message
                )
        if self.scenario.extra_input and pause == 0:
            state.add_input(self.scenario.extra_input)


def natively(scenario: Scenario) -> Pass:
    """Return the pass through the SDK's own document."""

    async def pass_on(state: RunState[Any, Any], agent: Agent[Any]) -> RunState[Any, Any]:
        text = state.to_string(context_serializer=scenario.context_serializer)
        return await RunState.from_string(
            agent, text, context_deserializer=scenario.context_deserializer
        )

    return pass_on
