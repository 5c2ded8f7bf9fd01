"""Long agent loops of durable runs, run in stretches.

The SDK's loop goes through all the items that it has made, several times in every turn, so a turn
takes the longer the more turns there were. So the outermost loop of a run is ended every so many
turns, between two of them, and the next one begins without those items; they are put into each of
its requests as they would have been. The model, the session and the journal see no difference, and
neither does who gets the result: in the end the items are put back.

A loop is ended as its agent may end it, by saying that the results of its tools are the final
output. Where anybody could notice, the loop is left whole.
"""

# What one loop hands to the next is private to the SDK.
# pyright: reportPrivateUsage=false, reportPossiblyUnboundVariable=false
# ruff: noqa: SLF001 - the same

import dataclasses
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, cast

from agents import (
    Agent,
    CodeInterpreterTool,
    FileSearchTool,
    FunctionTool,
    FunctionToolResult,
    HandoffCallItem,
    HandoffOutputItem,
    ImageGenerationTool,
    ItemHelpers,
    MessageOutputItem,
    ReasoningItem,
    RunConfig,
    RunContextWrapper,
    RunItem,
    RunResult,
    RunState,
    ToolCallItem,
    ToolCallOutputItem,
    ToolsToFinalOutputResult,
    TResponseInputItem,
    WebSearchTool,
)
from agents.run import AgentRunner, CallModelData, ModelInputData

from timestep.durable.keeping_items import keeps_items
from timestep.durable.loop import Loop, current_loop
from timestep.durable.registry import handoff_target, reachable

try:
    from agents.run_internal.agent_runner_helpers import resolve_trace_settings
    from agents.run_internal.items import (
        normalize_resumed_input,
        prepare_model_input_items,
        run_items_to_input_items,
    )
    from agents.tracing.context import TraceCtxManager

    _has_functions = True
except ImportError:  # an SDK that is made otherwise: loops are left whole
    _has_functions = False

# So many turns the SDK allows unless it is told otherwise, so that only runs that ask for more are
# cut. Of 200 turns, stretches of 8 take the least time; of 10 hardly more, of 32 nearly twice it.
TURNS = 10

# What a state has and where the result of a loop has it.
_HANDED_ON = {
    "_current_agent": "last_agent",
    "_current_turn": "_current_turn",
    "_generated_prompt_cache_key": "_generated_prompt_cache_key",
    "_input_guardrail_results": "input_guardrail_results",
    "_model_responses": "raw_responses",
    "_reasoning_item_id_policy": "_reasoning_item_id_policy",
    "_session_items": "new_items",
    "_tool_input_guardrail_results": "tool_input_guardrail_results",
    "_tool_output_guardrail_results": "tool_output_guardrail_results",
    "_tool_use_tracker_snapshot": "_tool_use_tracker_snapshot",
}
_PRIVATE = {
    RunState: {*_HANDED_ON, "_generated_items"},
    RunResult: {
        *(name for name in _HANDED_ON.values() if name.startswith("_")),
        "_model_input_items",
        "_original_input",
        "_replay_from_model_input_items",
        "_starting_agent_for_state",
    },
}
_can_cut = _has_functions and all(
    names <= {field.name for field in dataclasses.fields(kind)} for kind, names in _PRIVATE.items()
)

_ITEMS = (
    HandoffCallItem,
    HandoffOutputItem,
    MessageOutputItem,
    ReasoningItem,
    ToolCallItem,
    ToolCallOutputItem,
)
# whose calls are over with their turn
_TOOLS = (
    CodeInterpreterTool,
    FileSearchTool,
    FunctionTool,
    ImageGenerationTool,
    WebSearchTool,
)


async def run_in_stretches(
    runner: AgentRunner, loop: Loop, agent: Agent[Any], run_input: Any, options: dict[str, Any]
) -> RunResult:
    """Run an agent loop, in stretches if nobody can notice.

    Args:
        runner: Runs each of them.
        loop: The loop.
        agent: The recorded agent that it begins with.
        run_input: What it is given, or the state that it goes on from.
        options: What else the SDK's runner is given.
    """
    if type(runner) is not AgentRunner or not _may_be_cut(loop, agent, run_input, options):
        return await runner.run(agent, run_input, **cast("Any", options))
    stretches = Stretches(loop)
    config = dataclasses.replace(options["run_config"], call_model_input_filter=stretches.put_in)
    # what goes on has its context already, and in it what was used and approved
    later: Any = {**options, "run_config": config, "context": None}
    with stretches.ended_by(_agents(agent)), _one_trace(run_input, config):
        result = await runner.run(agent, run_input, **cast("Any", options))
        while stretches.was_ended:
            result = await runner.run(agent, stretches.next(result), **later)
    return stretches.complete(result)


class Stretches:
    """The stretches of one loop."""

    def __init__(self, loop: Loop) -> None:
        self.was_ended = False
        self._loop = loop
        self._began = loop.ordinal
        self._place = 0  # behind how many items of the caller's input
        self._items: list[RunItem] = []  # of the stretches that are over
        self._for_model: list[TResponseInputItem] = []  # the same as they are sent
        self._is_left_whole = False

    @contextmanager
    def ended_by(self, agents: list[Agent[Any]]) -> Generator[None]:
        """Let the agents end the loop when it has become long."""
        for agent in agents:
            agent.tool_use_behavior = self._ending
        try:
            yield
        finally:
            for agent in agents:
                agent.tool_use_behavior = "run_llm_again"

    def next(self, result: RunResult) -> RunState[Any, Any]:
        """Return what the next stretch begins with."""
        self.was_ended = False
        self._began = self._loop.ordinal
        state = _state(result)
        items = result._model_input_items
        if (sent := self._as_sent(result)) is None:
            self._is_left_whole = True
            state._generated_items = list(items)
        else:
            self._place = len(_as_items(result._original_input))
            self._items += items
            self._for_model += sent
        return state

    def put_in(self, call: CallModelData[Any]) -> ModelInputData:
        """Return a request with the items of the stretches before."""
        data = call.model_data
        if current_loop.get() is self._loop:  # what runs inside a tool may have our configuration
            # copied, as the SDK makes the items of every request anew
            data.input[self._place : self._place] = [
                cast("TResponseInputItem", dict(item)) for item in self._for_model
            ]
        return data

    def complete(self, result: RunResult) -> RunResult:
        """Return the result as that of one loop."""
        if self._items:
            result._model_input_items = [*self._items, *result._model_input_items]
            result._replay_from_model_input_items = result._model_input_items != result.new_items
        return result

    def _ending(
        self, context: RunContextWrapper[Any], _results: list[FunctionToolResult]
    ) -> ToolsToFinalOutputResult:
        # the agent may be a tool in its own loop
        ends = current_loop.get() is self._loop and self._is_long(context)
        self.was_ended = self.was_ended or ends
        # nobody gets this output; None would be logged as an error
        return ToolsToFinalOutputResult(is_final_output=ends, final_output="")

    def _is_long(self, context: RunContextWrapper[Any]) -> bool:
        return (
            self._loop.ordinal - self._began >= TURNS
            and not self._is_left_whole
            and not self._loop.must_stay_whole
            and _is_left_alone(context.turn_input)
        )

    def _as_sent(self, result: RunResult) -> list[TResponseInputItem] | None:
        """Return a stretch's items as they are sent; None: it is not certain that these are all."""
        items = result._model_input_items
        if not all(type(item) in _ITEMS for item in items):
            return None
        sent = prepare_model_input_items((), run_items_to_input_items(items))
        return sent if len(sent) == len(items) else None


def _may_be_cut(loop: Loop, agent: Agent[Any], run_input: Any, options: dict[str, Any]) -> bool:
    """Return whether nobody can notice that the loop is several."""
    config = cast("RunConfig", options["run_config"])
    names = [each.name for each in reachable(agent)]
    return (
        _can_cut
        and loop.path == ""  # the results of others go to code of the caller
        and not options.get("hooks")
        and not options.get("error_handlers")
        and not options.get("auto_previous_response_id")
        and not config.output_guardrails
        and not config.call_model_input_filter
        and not _is_kept_by_server(run_input)
        and keeps_items(agent, options, config)
        and len(set(names)) == len(names)  # an agent is told by its name when the next loop begins
        and all(map(_is_plain, _agents(agent)))
    )


def _is_plain(agent: Agent[Any]) -> bool:
    return (
        agent.hooks is None
        and not agent.output_guardrails
        and all(isinstance(tool, _TOOLS) for tool in agent.tools)
        and all(handoff_target(handoff) for handoff in agent.handoffs)
    )


def _is_kept_by_server(run_input: Any) -> bool:
    """Return whether a state goes on with a conversation that the model's provider keeps."""
    if not isinstance(run_input, RunState):
        return False
    state = cast("RunState[Any, Any]", run_input)
    return bool(
        state._conversation_id or state._previous_response_id or state._auto_previous_response_id
    )


def _agents(agent: Agent[Any]) -> list[Agent[Any]]:
    """Return the agents whose turns the loop may come to."""
    found = {id(agent): agent}
    waiting = [agent]
    while waiting:
        for handoff in waiting.pop().handoffs:
            target = handoff_target(handoff)
            if target is not None and id(target) not in found:
                found[id(target)] = target
                waiting.append(target)
    return list(found.values())


def _state(result: RunResult) -> RunState[Any, Any]:
    """Return the state of a loop that has ended, with the same context, without its items."""
    state: RunState[Any, Any] = RunState(
        context=result.context_wrapper,
        original_input=cast("Any", result._original_input),
        starting_agent=result._starting_agent_for_state or result.last_agent,
        max_turns=result.max_turns,
    )
    for name, source in _HANDED_ON.items():
        setattr(state, name, getattr(result, source))
    return state


def _as_items(given: str | list[TResponseInputItem] | None) -> list[TResponseInputItem]:
    return ItemHelpers.input_to_new_input_list(cast("Any", given))


def _is_left_alone(items: list[Any]) -> bool:
    """Return whether a loop that goes on leaves its input as it is."""
    return (
        all(type(item) is dict for item in items)
        and normalize_resumed_input(items) == items
        and _as_items(items) == items
    )


def _one_trace(run_input: Any, config: RunConfig) -> AbstractContextManager[object]:
    """Return the trace that the SDK would make for the first stretch, for all of them."""
    if config.tracing_disabled:
        return nullcontext()
    state = cast("RunState[Any, Any]", run_input) if isinstance(run_input, RunState) else None
    name, trace_id, group_id, metadata, tracing = resolve_trace_settings(
        run_state=state, run_config=config
    )
    return TraceCtxManager(
        workflow_name=name,
        trace_id=trace_id,
        group_id=group_id,
        metadata=metadata,
        tracing=tracing,
        disabled=False,
        trace_state=state._trace_state if state else None,
        reattach_resumed_trace=state is not None,
    )
