"""The Python SDK's own document of a run: what it tells, what it must not tell, who reads it."""

import re
from importlib.metadata import version
from typing import Any, Literal, cast

from agents.run_state import SUPPORTED_SCHEMA_VERSIONS

# The version that the translator reads and writes, tested against the SDK range of the package.
SCHEMA_VERSION = "1.21"
SDK_VERSION = version("openai-agents")
READABLE_NATIVE_VERSIONS = frozenset(SUPPORTED_SCHEMA_VERSIONS)

Native = dict[str, Any]

_STEPS: dict[str, Literal["interrupted", "run_again"]] = {
    "next_step_interruption": "interrupted",
    "next_step_run_again": "run_again",
}


def is_readable(schema_version: str) -> bool:
    """Return whether the installed SDK reads native documents of this version."""
    return schema_version in READABLE_NATIVE_VERSIONS


def schema_version(native: Native) -> str:
    """Return the version of a native document."""
    return str(native["$schemaVersion"])


def is_newer(found: str, known: str = SCHEMA_VERSION) -> bool:
    """Return whether a native version is newer than the one that the translator knows."""
    return [int(n) for n in re.findall(r"\d+", found)] > [int(n) for n in known.split(".")]


def run_status(native: Native) -> Literal["interrupted", "run_again", "terminal"]:
    """Return whether the run waits for decisions, stands between two turns, or has ended."""
    step = cast("Native | None", native.get("current_step"))
    if step is None:
        return "terminal" if native["model_responses"] else "run_again"
    return _STEPS[step["type"]]


def agent_name(native: Native) -> str:
    """Return the name of the current agent."""
    return native["current_agent"]["name"]


def turn(native: Native) -> int:
    """Return the number of turns begun."""
    return native["current_turn"]


def context_left_out(native: Native) -> str | None:
    """Return what the context was, if the SDK had no form for it and left it out."""
    meta = cast("Native", native["context"].get("context_meta") or {})
    return str(meta.get("class_path")) if meta.get("omitted") else None


def scrub(native: Native) -> Native:
    """Return the document without secrets: the settings of hosted MCP servers, tracing keys.

    The SDK resumes from the rest, because it takes the live tool from the agent.
    """
    scrubbed = {**native}
    if isinstance(native.get("trace"), dict):
        scrubbed["trace"] = {k: v for k, v in native["trace"].items() if k != "tracing_api_key"}
    processed = native.get("last_processed_response")
    if isinstance(processed, dict):
        scrubbed["last_processed_response"] = _scrub_processed(cast("Native", processed))
    return scrubbed


def _scrub_processed(processed: Native) -> Native:
    requests = processed.get("mcp_approval_requests", [])
    return {
        **processed,
        "mcp_approval_requests": [{**r, "mcp_tool": {"name": "hosted_mcp"}} for r in requests],
        "functions": [_scrub_function(f) for f in processed.get("functions", [])],
    }


def _scrub_function(function: Native) -> Native:
    if not isinstance(function.get("agent_run_state"), dict):
        return function
    return {**function, "agent_run_state": scrub(function["agent_run_state"])}
