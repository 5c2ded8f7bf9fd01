"""Agents and tools as a saved run finds them again: by name, with the same arguments."""

# The SDK has no public way to the agents and decisions of a state.
# pyright: reportPrivateUsage=false

import logging
import re
from functools import cache
from typing import Any, cast

from agents import Agent, FunctionTool, Handoff, HostedMCPTool
from agents._run_state_agent_identity import _iter_agent_graph
from agents._tool_identity import get_function_tool_lookup_key_for_tool

from timestep.errors import AgentMismatchError, NotPortableError
from timestep.run_state.record import Run
from timestep.run_state.schemas import argument_lines

logger = logging.getLogger("timestep")


class AgentGraph:
    """The agents that can be reached from one agent, by name."""

    def __init__(self, start: Agent[Any]) -> None:
        self.start = start
        self.agents = list(_iter_agent_graph(start))
        self.by_name = {agent.name: agent for agent in self.agents}

    def refuse_shared_names(self) -> None:
        """Raise `NotPortableError` if two agents have one name."""
        if len(self.by_name) == len(self.agents):
            return
        names = [agent.name for agent in self.agents]
        shared = sorted({name for name in names if names.count(name) > 1})
        raise NotPortableError(
            f"Several agents are named {', '.join(shared)}: a saved run finds its agents by name,"
            " so give each a name of its own."
        )

    def agent(self, name: str) -> Agent[Any]:
        """Return the agent of a name.

        Raises:
            AgentMismatchError: There is none; those that are there are named.
        """
        if name in self.by_name:
            return self.by_name[name]
        raise AgentMismatchError(
            f"The saved run needs an agent named {name!r}, but from {self.start.name!r} only these"
            f" are reached: {', '.join(sorted(self.by_name))}. Rename it back, or start anew."
        )

    def handoff_target(self, agent_name: str, tool_name: str) -> str:
        """Return the name of the agent that an agent's handoff tool leads to."""
        for handoff in self.agent(agent_name).handoffs:
            if isinstance(handoff, Handoff):
                if handoff.tool_name == tool_name:
                    return handoff.agent_name
            elif Handoff.default_tool_name(handoff) == tool_name:
                return handoff.name
        raise AgentMismatchError(
            f"The saved run needs a handoff {tool_name!r} of agent {agent_name!r}, but there is"
            " none. Rename it back, or start anew."
        )

    def tool(self, agent_name: str, key: list[str]) -> FunctionTool:
        """Return an agent's function tool.

        Raises:
            AgentMismatchError: There is none; those that are there are named.
        """
        tools = [tool for tool in self.agent(agent_name).tools if isinstance(tool, FunctionTool)]
        for tool in tools:
            if get_function_tool_lookup_key_for_tool(tool) == tuple(key):
                return tool
        raise AgentMismatchError(
            f"The saved run needs a tool named {key[-1]!r} of agent {agent_name!r}, which has only:"
            f" {', '.join(sorted(t.name for t in tools)) or 'none'}. Rename it back, or start anew."
        )

    def check_mcp_server(self, agent_name: str, server: str) -> None:
        """Raise `AgentMismatchError` if the agent has no local MCP server of this name."""
        names = [mcp.name for mcp in self.agent(agent_name).mcp_servers]
        if server not in names:
            raise AgentMismatchError(
                f"The saved run needs the MCP server {server!r} of agent {agent_name!r}, which has"
                f" only: {', '.join(names) or 'none'}."
            )

    def check_hosted_mcp(self, agent_name: str, label: str) -> None:
        """Raise `AgentMismatchError` if the agent has no hosted MCP tool of this label."""
        tools = self.agent(agent_name).tools
        labels = [t.tool_config["server_label"] for t in tools if isinstance(t, HostedMCPTool)]
        if label not in labels:
            raise AgentMismatchError(
                f"The saved run needs a hosted MCP tool with the server label {label!r} of agent"
                f" {agent_name!r}, which has only: {', '.join(labels) or 'none'}."
            )


def check_agents(run: Run, agent: Agent[Any]) -> None:
    """Check that every agent and tool that a saved run needs is there and takes the same arguments.

    Raises:
        AgentMismatchError: One is missing, or a tool's arguments have changed (both are shown).
        NotPortableError: Two agents have one name.
    """
    graph = AgentGraph(agent)
    graph.refuse_shared_names()
    for name in _agent_names(run):
        graph.agent(name)
    pending = run.get("pending", {})
    for handoff in pending.get("handoffs", []):
        graph.handoff_target(run["agent"], call_of(run, handoff["call"])["name"])
        graph.agent(handoff["target"])
    for request in pending.get("mcp", []):
        graph.check_hosted_mcp(run["agent"], call_of(run, request)["server_label"])
    for function in pending.get("functions", []):
        if "mcp_binding" in function:
            graph.check_mcp_server(run["agent"], function["mcp_binding"]["server"])
            continue
        call = call_of(run, function["call"])
        tool = graph.tool(run["agent"], function.get("tool_key") or ["bare", call["name"]])
        _check_arguments(run["agent"], tool, function.get("schema", []))
        if "nested" in function:
            check_agents(function["nested"], nested_start(tool, agent))


def call_of(run: Run, place: int | dict[str, Any]) -> dict[str, Any]:
    """Return the wire item that an index or a written-out item stands for."""
    if not isinstance(place, int):
        return place
    raw = run.get("items", [])[place]["raw"]
    return call_of(run, raw)


def nested_entry(run: Run, entry: dict[str, Any]) -> tuple[Run, int]:
    """Return the nested run of an interruption, and its place there."""
    for function in run.get("pending", {}).get("functions", []):
        call: Any = function["call"]
        raw: Any = run.get("items", [])[call]["raw"] if isinstance(call, int) else call
        if raw.get("call_id") == entry["call_id"] and "nested" in function:
            return function["nested"], entry["nested"]
    raise ValueError(f"no nested run for call {entry['call_id']!r}")


def nested_start(tool: FunctionTool, otherwise: Agent[Any]) -> Agent[Any]:
    """Return the agent that an agent as a tool starts with."""
    inner = tool._agent_instance
    return cast("Agent[Any]", inner) if isinstance(inner, Agent) else otherwise


def _agent_names(run: Run) -> list[str]:
    names = [run["agent"]]
    for item in run.get("items", []):
        owners = (item.get(k) for k in ("agent", "source_agent", "target_agent"))
        names += [owner for owner in owners if owner is not None]
    names += [a["agent"] for a in run.get("approvals", []) if "agent" in a]
    names += [str(r["agent"]) for r in run.get("guardrails", {}).get("output", [])]
    return list(dict.fromkeys(names))


def _check_arguments(agent_name: str, tool: FunctionTool, saved: list[str]) -> None:
    today = argument_lines(tool.params_json_schema)
    if today != saved:
        raise AgentMismatchError(
            f"The tool {tool.name!r} of agent {agent_name!r} takes other arguments than when the"
            f" run was saved. Saved: {_shown(saved)}. Now: {_shown(today)}. Restore the tool, or"
            " start anew."
        )


def _shown(lines: list[str]) -> str:
    return "; ".join(lines) or "no arguments"


def warn_of_names(graph: AgentGraph) -> None:
    """Log a warning for names that the two SDKs derive differently from an agent's name."""
    for agent in graph.agents:
        for handoff in agent.handoffs:
            target = handoff.agent_name if isinstance(handoff, Handoff) else handoff.name
            derived = Handoff.default_tool_name(handoff) if isinstance(handoff, Agent) else None
            name = handoff.tool_name if isinstance(handoff, Handoff) else derived
            if name == _default_name(f"transfer_to_{target}"):
                _warn(agent.name, "handoff", target, str(name))
        for tool in agent.tools:
            inner = nested_start(tool, agent) if isinstance(tool, FunctionTool) else agent
            if inner is not agent and tool.name == _default_name(inner.name):
                _warn(agent.name, "tool", inner.name, tool.name)


def _default_name(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_]", "_", name).lower()


@cache
def _warn(owner: str, kind: str, target: str, name: str) -> None:
    if re.fullmatch(r"[a-z0-9_]+", target):
        return
    logger.warning(
        "agent %r: the %s to agent %r is named %r by default, but otherwise in TypeScript, where"
        " the run would not find it: name it explicitly, or name the agent in [a-z0-9_]",
        owner,
        kind,
        target,
        name,
    )
