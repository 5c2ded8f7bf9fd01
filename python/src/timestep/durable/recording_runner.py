"""The SDK's runner, which begins a recorded agent loop where a durable run asks for one.

`Runner.run` and `Runner.run_streamed` go through the SDK's default runner, so loops that begin
inside a tool of a durable run (an agent as a tool, or a tool that runs an agent by itself) are
recorded as well. Everywhere else the runner before this one does its work unchanged.
"""

import dataclasses
from typing import Any, cast

from agents import Agent, FunctionTool, RunConfig, RunResult, RunResultStreaming, RunState
from agents.models.interface import Model
from agents.run import AgentRunner, get_default_agent_runner, set_default_agent_runner

from timestep.durable.loop import Frame, Loop, current_frame, current_loop
from timestep.durable.recorded_model import RecordedModel, RecordedProvider
from timestep.durable.recorded_session import recorded_session
from timestep.durable.registry import reachable
from timestep.durable.stretches import run_in_stretches
from timestep.errors import NotDurableError


class RecordingRunner(AgentRunner):
    """Records the loops of durable runs."""

    def __init__(self, before: AgentRunner) -> None:
        self.before = before

    async def run(self, starting_agent: Agent[Any], input: Any, **options: Any) -> RunResult:  # noqa: A002 - the SDK's name
        """Run the agent, recorded if a durable run asks for it."""
        frame = current_frame.get()
        if frame is None:
            return await self.before.run(starting_agent, input, **options)
        loop = frame.begin_loop()
        agent, options = _recorded(loop, starting_agent, input, options)
        tokens = _enter(loop)
        try:
            result = await run_in_stretches(self.before, loop, agent, input, options)
        finally:
            _leave(tokens)
        frame.interrupted = bool(result.interruptions)
        return result

    def run_streamed(
        self,
        starting_agent: Agent[Any],
        input: Any,  # noqa: A002 - the SDK's name
        **options: Any,
    ) -> RunResultStreaming:
        """Run the agent as a stream, recorded if a durable run asks for it."""
        frame = current_frame.get()
        if frame is None:
            return self.before.run_streamed(starting_agent, input, **options)
        loop = frame.begin_loop()
        agent, options = _recorded(loop, starting_agent, input, options)
        tokens = _enter(loop)
        try:
            result = self.before.run_streamed(agent, input, **cast("Any", options))
        finally:
            _leave(tokens)
        if result.run_loop_task is not None:
            result.run_loop_task.add_done_callback(lambda _: _note_interruption(frame, result))
        return result


def install() -> None:
    """Put the recording runner in front of the SDK's, once."""
    before = get_default_agent_runner()
    if not isinstance(before, RecordingRunner):
        set_default_agent_runner(RecordingRunner(before))


def _recorded(
    loop: Loop, agent: Agent[Any], run_input: Any, options: dict[str, Any]
) -> tuple[Agent[Any], dict[str, Any]]:
    agents = loop.execution.agents
    try:
        recorded = agents.of(agent)
    except NotDurableError as error:
        loop.journal.refusal = error
        raise
    if isinstance(run_input, RunState):
        state = cast("RunState[Any, Any]", run_input)
        loop.ordinal = len(state._model_responses)  # noqa: SLF001 - the state has no public count  # pyright: ignore[reportPrivateUsage]
        if state._current_agent is not None:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            state._current_agent = agents.of(state._current_agent)  # noqa: SLF001 - a nested run's state has the caller's agent  # pyright: ignore[reportPrivateUsage]
    session = options.get("session")
    if session is not None:
        session = recorded_session(session, loop)
    config = _recorded_config(options.get("run_config"))
    loop.is_watched = bool(options.get("hooks") or config.output_guardrails) or any(
        map(_sees_answers, reachable(agent))
    )
    return recorded, {**options, "run_config": config, "session": session}


def _sees_answers(agent: Agent[Any]) -> bool:
    """Return whether code of the caller may see a model's answer before a tool is called."""
    return bool(
        agent.hooks
        or agent.output_guardrails
        or agent.mcp_servers
        or not all(isinstance(tool, FunctionTool) and _is_just_called(tool) for tool in agent.tools)
    )


def _is_just_called(tool: FunctionTool) -> bool:
    return isinstance(tool.needs_approval, bool) and not tool.tool_input_guardrails


def _recorded_config(config: RunConfig | dict[str, Any] | None) -> RunConfig:
    if isinstance(config, dict):
        config = RunConfig(**config)
    config = config or RunConfig()
    if not isinstance(config.model_provider, RecordedProvider):
        config = dataclasses.replace(config, model_provider=RecordedProvider(config.model_provider))
    if isinstance(config.model, Model) and type(config.model) is not RecordedModel:
        config = dataclasses.replace(config, model=RecordedModel(config.model))
    return config


def _enter(loop: Loop) -> tuple[Any, Any]:
    # the loop is where models and tools look; new loops begin only inside its tools
    return current_loop.set(loop), current_frame.set(None)


def _leave(tokens: tuple[Any, Any]) -> None:
    current_loop.reset(tokens[0])
    current_frame.reset(tokens[1])


def _note_interruption(frame: Frame, result: RunResultStreaming) -> None:
    frame.interrupted = bool(result.interruptions)
