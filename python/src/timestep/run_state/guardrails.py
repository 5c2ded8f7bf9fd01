"""Results of guardrails, as both languages store them and as the Python SDK writes them."""

from typing import Any, cast

from timestep.run_state.native import Native
from timestep.run_state.record import Run, present

_KINDS = ("input", "output", "tool_input", "tool_output")


def stored_guardrails(native: Native) -> dict[str, list[dict[str, Any]]]:
    """Return the results that a native document holds, by kind."""
    return present(
        **{k: [_stored(r) for r in native.get(f"{k}_guardrail_results", [])] for k in _KINDS}
    )


def _stored(result: Native) -> dict[str, Any]:
    output = cast("Native", result["output"])
    entry: dict[str, Any] = {"name": result["guardrail"]["name"]}
    if "behavior" in output:
        entry["behavior"] = output["behavior"]
    else:
        entry["tripped"] = output["tripwireTriggered"]
    if "agent" in result:
        entry["agent"] = result["agent"]["name"]
    texts = {"info": output["outputInfo"], "agent_output": result.get("agentOutput")}
    return entry | {name: value for name, value in texts.items() if value is not None}


def native_guardrails(run: Run) -> Native:
    """Return the fields of a native document that hold a run's results."""
    stored = run.get("guardrails", {})
    return {f"{k}_guardrail_results": [_native(k, r) for r in stored.get(k, [])] for k in _KINDS}


def _native(kind: str, result: dict[str, Any]) -> Native:
    output: Native = {"outputInfo": result.get("info")}
    if "behavior" in result:
        output["behavior"] = result["behavior"]
    else:
        output["tripwireTriggered"] = result["tripped"]
    native: Native = {"guardrail": {"type": kind, "name": result["name"]}, "output": output}
    if kind == "output":
        native["agent"] = {"name": result["agent"]}
        native["agentOutput"] = result.get("agent_output")
    return native
