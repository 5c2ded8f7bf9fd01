"""How far a resumed run has come, so that an error does not lose what its tools have done.

Without streaming, the SDK's loop brings the state that it was given up to date once, when the calls
that waited for approval have run. Later turns live in the loop alone and are gone when it raises.
But before each model call the loop shows its hooks everything that the model is about to see. That
is the whole conversation, so it is a state to go on from: as input, with nothing generated since.
"""

# The SDK has no public way to set where a state stands.
# pyright: reportPrivateUsage=false

from typing import Any

from agents import (
    Agent,
    AgentHookContext,
    ModelResponse,
    RunContextWrapper,
    RunHooks,
    RunState,
    Tool,
    TResponseInputItem,
)
from agents.run_internal.run_steps import NextStepRunAgain


class Turns:
    """Counts the turns of a resumed run that the model answered: one that failed is tried again."""

    def __init__(self, state: RunState[Any, Any]) -> None:
        self._turn = state._current_turn
        self._answers = len(state._model_responses)

    def counted(self, state: RunState[Any, Any]) -> RunState[Any, Any]:
        """Return the state in which the run stopped, with the number of those turns."""
        state._current_turn = self._turn + len(state._model_responses) - self._answers
        return state


class Progress(RunHooks[Any]):
    """Passes everything on to the caller's hooks and remembers the last model call that began."""

    def __init__(self, state: RunState[Any, Any], hooks: RunHooks[Any] | None) -> None:
        self._state = state
        self._hooks = hooks or RunHooks[Any]()
        self._turn = state._current_turn
        self._calls = 0
        self._agent: Agent[Any] | None = None
        self._input: list[TResponseInputItem] = []

    def state(self) -> RunState[Any, Any]:
        """Return the state, brought up to the last model call that began."""
        state = self._state
        # The SDK itself keeps the state right up to the first model call. A conversation that
        # the model's server keeps cannot be told from what is sent, which is only what is new.
        if self._calls < 2 or state._conversation_id or state._previous_response_id:
            return state
        state._original_input = self._input
        state._current_agent = self._agent
        state._current_turn = self._turn + self._calls - 1
        state._current_turn_persisted_item_count = 0
        state._generated_items = []
        state._session_items = []
        state._last_processed_response = None
        state._current_step = NextStepRunAgain()
        if state._context is not None:
            state._context._tool_invocations.clear()
        return state

    async def on_llm_start(
        self,
        context: RunContextWrapper[Any],
        agent: Agent[Any],
        system_prompt: str | None,
        input_items: list[TResponseInputItem],
    ) -> None:
        """Remember what the model is about to see."""
        if context is self._state._context:
            self._calls += 1
            self._agent = agent
            self._input = list(input_items)
        await self._hooks.on_llm_start(context, agent, system_prompt, input_items)

    async def on_llm_end(
        self, context: RunContextWrapper[Any], agent: Agent[Any], response: ModelResponse
    ) -> None:
        """Pass it on."""
        await self._hooks.on_llm_end(context, agent, response)

    async def on_agent_start(self, context: AgentHookContext[Any], agent: Any) -> None:
        """Pass it on."""
        await self._hooks.on_agent_start(context, agent)

    async def on_agent_end(self, context: AgentHookContext[Any], agent: Any, output: Any) -> None:
        """Pass it on."""
        await self._hooks.on_agent_end(context, agent, output)

    async def on_handoff(
        self, context: RunContextWrapper[Any], from_agent: Any, to_agent: Any
    ) -> None:
        """Pass it on."""
        await self._hooks.on_handoff(context, from_agent, to_agent)

    async def on_tool_start(self, context: RunContextWrapper[Any], agent: Any, tool: Tool) -> None:
        """Pass it on."""
        await self._hooks.on_tool_start(context, agent, tool)

    async def on_tool_end(
        self, context: RunContextWrapper[Any], agent: Any, tool: Tool, result: object
    ) -> None:
        """Pass it on."""
        await self._hooks.on_tool_end(context, agent, tool, result)
