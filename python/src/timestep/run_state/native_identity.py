"""The same check of agents and tools for a run that is restored from the SDK's own document."""

from typing import Any, cast

from agents import Agent

from timestep.run_state import native as native_state
from timestep.run_state.identity import AgentGraph, check_agents
from timestep.run_state.native import Native
from timestep.run_state.pending import stored_pending
from timestep.run_state.pool import ItemPool
from timestep.run_state.record import Run


def check_native_agents(native: Native, agent: Agent[Any]) -> None:
    """Check that every agent and tool that the run waits for is there, with the same arguments.

    Where two agents have one name, the SDK's own document tells them apart and its loader checks.

    Raises:
        AgentMismatchError: One is missing, or a tool's arguments have changed (both are shown).
    """
    graph = AgentGraph(agent)
    if len(graph.by_name) == len(graph.agents):
        check_agents(_named_run(native, graph), agent)


def _named_run(native: Native, graph: AgentGraph) -> Run:
    """Return as much of the run as names agents and tools."""
    name = native_state.agent_name(native)
    graph.agent(name)
    waits = native_state.run_status(native) == "interrupted"
    pending = stored_pending(native, graph, ItemPool(), _named_run) if waits else {}
    return cast("Run", {"agent": name, **pending})
