"""Agents whose every model call and tool call is recorded.

A recorded agent is a copy of the caller's, which stays as it is. Its models and tools are wrapped,
and so is every agent that it leads to: by handoff, as a tool, or by a `Runner.run` of the caller's
own code inside a tool (`timestep.durable.recording_runner`).
"""

import copy
import weakref
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, cast

from agents import (
    Agent,
    CodeInterpreterTool,
    FileSearchTool,
    FunctionTool,
    Handoff,
    HostedMCPTool,
    ImageGenerationTool,
    Model,
    RunContextWrapper,
    Tool,
    WebSearchTool,
)

from timestep.durable.loop import current_loop
from timestep.durable.recorded_model import RecordedModel
from timestep.durable.recorded_tool import recorded_tool
from timestep.durable.registry import agent_of_tool
from timestep.errors import NotDurableError

_ORIGINAL = "_timestep_original"
_HOSTED = (
    CodeInterpreterTool,
    FileSearchTool,
    HostedMCPTool,
    ImageGenerationTool,
    WebSearchTool,
)
# further hosted tools by name: not every release of the SDK has them
_HOSTED_NAMES = ("ToolSearchTool",)


@dataclass
class RecordedAgents:
    """The recorded copies of agents, one for each.

    Attributes:
        begun: The keys of calls that were begun before and have not ended.
    """

    begun: Collection[str] = ()
    _copies: dict[int, Agent[Any]] = field(default_factory=dict[int, Agent[Any]])
    # kept, since an id is only unique while its object lives
    _originals: list[Agent[Any]] = field(default_factory=list[Agent[Any]])

    def of(self, agent: Agent[Any]) -> Agent[Any]:
        """Return the recorded copy of an agent; a copy is returned as it is.

        Raises:
            NotDurableError: The agent has something that cannot be recorded.
        """
        if hasattr(agent, _ORIGINAL):
            return agent
        if id(agent) not in self._copies:
            self._copy(agent)
        return self._copies[id(agent)]

    def _copy(self, agent: Agent[Any]) -> None:
        _refuse_sandbox(agent)
        recorded = copy.copy(agent)
        # noted before what it leads to is copied: agents may lead back to each other
        self._copies[id(agent)] = recorded
        self._originals.append(agent)
        setattr(recorded, _ORIGINAL, agent)
        if isinstance(agent.model, Model):
            recorded.model = RecordedModel(agent.model)
        recorded.tools = [self._tool(agent, tool) for tool in agent.tools]
        recorded.handoffs = [self._handoff(handoff) for handoff in agent.handoffs]
        all_tools = recorded.get_all_tools

        async def get_all_tools(run_context: RunContextWrapper[Any]) -> list[Tool]:
            if (loop := current_loop.get()) is not None:
                loop.agent = agent.name
            return [self._tool(agent, tool) for tool in await all_tools(run_context)]

        # tools of MCP servers and those added while the run is under way pass here only
        recorded.get_all_tools = get_all_tools

    def _tool(self, agent: Agent[Any], tool: Tool) -> Tool:
        if not isinstance(tool, FunctionTool):
            _refuse_local(agent, tool)
            return tool
        recorded = recorded_tool(tool, self.begun)
        if (inner := agent_of_tool(tool)) is not None:
            recorded._agent_instance = self.of(inner)  # noqa: SLF001 - how the SDK finds the agents of a saved run  # pyright: ignore[reportPrivateUsage]
        return recorded

    def _handoff(self, handoff: Agent[Any] | Handoff[Any, Any]) -> Agent[Any] | Handoff[Any, Any]:
        if not isinstance(handoff, Handoff):
            return self.of(handoff)
        recorded = copy.copy(handoff)
        invoke = cast("Callable[..., Any]", handoff.on_invoke_handoff)

        async def invoke_recorded(context: RunContextWrapper[Any], arguments: str) -> Agent[Any]:
            if (loop := current_loop.get()) is not None:
                await loop.journal.settled()
            return self.of(await invoke(context, arguments))

        recorded.on_invoke_handoff = invoke_recorded
        reference = handoff._agent_ref  # noqa: SLF001 - how the SDK finds the agents of a saved run  # pyright: ignore[reportPrivateUsage]
        if reference is not None and isinstance(target := reference(), Agent):
            recorded._agent_ref = weakref.ref(self.of(cast("Agent[Any]", target)))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        return recorded


def _refuse_sandbox(agent: Agent[Any]) -> None:
    if any(kind.__module__.startswith("agents.sandbox") for kind in type(agent).__mro__):
        raise NotDurableError(
            f"Agent {agent.name!r} is a sandbox agent: what it does on its machine cannot be"
            " recorded. Run it with run_agent(), or give it function tools instead."
        )


def _refuse_local(agent: Agent[Any], tool: Any) -> None:
    if isinstance(tool, _HOSTED) or type(tool).__name__ in _HOSTED_NAMES:
        return
    raise NotDurableError(
        f"The tool {tool.name!r} of agent {agent.name!r} is a {type(tool).__name__}, which acts on"
        " this machine without being a function tool: its calls cannot be recorded. Make it a"
        " function tool, or run the agent with run_agent()."
    )
