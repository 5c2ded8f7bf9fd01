"""The agents that this process has, by name: what it can execute, take over and resume.

Agents are code and are never stored as such. What is written to `timestep.agents` is for reading.
"""

import asyncio
import hashlib
import importlib
import logging
import sys
import threading
import time
from typing import Any, cast

from agents import Agent, FunctionTool, Handoff
from agents.models.interface import Model

from timestep import documents
from timestep.database import Database
from timestep.durable.tools import when_unknown
from timestep.errors import AgentMismatchError, ConfigurationError

logger = logging.getLogger("timestep")

_agents: dict[str, Agent[Any]] = {}
_described: set[tuple[str, str, str]] = set()
_lock = threading.Lock()
_POLL_SECONDS = 0.1


def register_agent(agent: Agent[Any]) -> None:
    """Make an agent known by its name; one of the same name takes its place.

    Raises:
        ConfigurationError: It is no `Agent`.
    """
    check_agent(agent)
    with _lock:
        _agents[agent.name] = agent


def check_agent(agent: object) -> None:
    """Refuse what is no `Agent`.

    Raises:
        ConfigurationError: It is none.
    """
    if not isinstance(agent, Agent):
        raise ConfigurationError(
            f"A durable run needs an Agent of the Agents SDK, but got {type(agent).__name__}."
        )


def registered_names() -> list[str]:
    """Return the names of the agents that this process has."""
    with _lock:
        return sorted(_agents)


async def agent_when_registered(name: str, *, seconds: float) -> Agent[Any]:
    """Return the agent of that name once it is there.

    This waits on the event loop: a thread that waits would keep the process from ending.

    Raises:
        AgentMismatchError: It is not there after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while name not in _agents and time.monotonic() < deadline:  # noqa: ASYNC110 - registered by any thread
        await asyncio.sleep(_POLL_SECONDS)
    return registered_agent(name)


def registered_agent(name: str) -> Agent[Any]:
    """Return the agent of that name.

    Raises:
        AgentMismatchError: There is none.
    """
    with _lock:
        if name in _agents:
            return _agents[name]
        known = ", ".join(sorted(_agents)) or "none"
    raise AgentMismatchError(
        f"This process has no agent named {name!r}; it has {known}. Name it in"
        " configure_dbos(agents=[…]), or start the run here once."
    )


def import_agent(name: str, module: str | None) -> None:
    """Import the module in which an agent was seen before, if it is not known here."""
    if module is None or name in registered_names():
        return
    module_name, _, attribute = module.partition(":")
    try:
        found: object = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        logger.info("agent %s is not at %s any more: %s", name, module, error)
        return
    if isinstance(found, Agent) and cast("Agent[Any]", found).name == name:
        register_agent(cast("Agent[Any]", found))


def describe_agents(database: Database, agent: Agent[Any]) -> None:
    """Write what is known of an agent and those that it leads to, from a thread."""
    for each in reachable(agent):
        definition = documents.dump(described(each))
        sha256 = hashlib.sha256(definition.encode()).hexdigest()
        key = (database.location.url, each.name, sha256)
        if key in _described:
            continue
        database.fetch_sync(
            "insert into timestep.agents (name, language, definition, sha256, module)"
            " values (%s, 'python', %s, %s, %s) on conflict (name, language) do update"
            " set definition = excluded.definition, sha256 = excluded.sha256,"
            " module = coalesce(excluded.module, agents.module), updated_at = now()"
            " where agents.sha256 <> excluded.sha256 or agents.module is distinct from"
            " coalesce(excluded.module, agents.module) returning name",
            documents.without_nul(each.name),
            definition,
            sha256,
            _module_of(each),
            repeatable=True,
        )
        _described.add(key)


def reachable(agent: Agent[Any]) -> list[Agent[Any]]:
    """Return the agent and those that it hands off to or uses as tools, each once."""
    found: dict[int, Agent[Any]] = {}
    waiting = [agent]
    while waiting:
        each = waiting.pop()
        if id(each) in found:
            continue
        found[id(each)] = each
        waiting += [target for h in each.handoffs if (target := handoff_target(h))]
        waiting += [inner for tool in each.tools if (inner := agent_of_tool(tool))]
    return list(found.values())


def handoff_target(handoff: object) -> Agent[Any] | None:
    """Return the agent of a handoff where it can be told before it happens."""
    if isinstance(handoff, Agent):
        return cast("Agent[Any]", handoff)
    reference: Any = getattr(handoff, "_agent_ref", None)
    return cast("Agent[Any] | None", reference() if callable(reference) else None)


def agent_of_tool(tool: object) -> Agent[Any] | None:
    """Return the agent that a tool runs, if it is an agent as a tool."""
    return getattr(tool, "_agent_instance", None)


def described(agent: Agent[Any]) -> dict[str, Any]:
    """Return what can be said of an agent; what is code is called "code"."""
    settings = agent.model_settings.to_json_dict()
    return {
        "model": model_name(agent.model),
        "instructions": "code" if callable(agent.instructions) else agent.instructions,
        "tools": [_described_tool(tool) for tool in agent.tools],
        "handoffs": [_handoff_name(handoff) for handoff in agent.handoffs],
        "output_type": getattr(agent.output_type, "__name__", None),
        "guardrails": {
            "input": [guardrail.get_name() for guardrail in agent.input_guardrails],
            "output": [guardrail.get_name() for guardrail in agent.output_guardrails],
        },
        "mcp_servers": [server.name for server in agent.mcp_servers],
        "model_settings": {k: v for k, v in settings.items() if _is_plain(v)},
    }


def model_name(model: str | Model | None) -> str:
    """Return how a model is called in the journal."""
    if model is None or isinstance(model, str):
        return model or "default"
    named = getattr(model, "model", None)
    return named if isinstance(named, str) else type(model).__name__


def _described_tool(tool: Any) -> dict[str, Any]:
    described: dict[str, Any] = {"name": tool.name, "kind": type(tool).__name__}
    if isinstance(tool, FunctionTool):
        needs = tool.needs_approval
        described |= {
            "schema": tool.params_json_schema,
            "needs_approval": needs if isinstance(needs, bool) else "code",
            "at_most_once": when_unknown(tool) is not None,
            "when_unknown": when_unknown(tool),
        }
    return described


def _handoff_name(handoff: Any) -> str:
    return handoff.agent_name if isinstance(handoff, Handoff) else handoff.name


def _is_plain(value: object) -> bool:
    return value is not None and isinstance(value, str | int | float | bool | list | dict)


def _module_of(agent: Agent[Any]) -> str | None:
    for name, module in list(sys.modules.items()):
        if name in ("__main__", "__mp_main__"):
            continue
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if value is agent:
                return f"{name}:{attribute}"
    return None
