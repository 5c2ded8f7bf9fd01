"""Restoring a run that either language saved, as a state of the Python SDK."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from agents import Agent, RunContextWrapper, RunState

from timestep.run_state.approvals import apply_decisions, native_approvals, nested_entry
from timestep.run_state.diagnosis import check
from timestep.run_state.identity import call_of, check_agents
from timestep.run_state.items import native_handoff_output
from timestep.run_state.ledger import tool_invocations
from timestep.run_state.native import SCHEMA_VERSION, Native
from timestep.run_state.record import Envelope, Function, Item, Run, Usage, Wire

_STEPS = {"run_again": {"type": "next_step_run_again"}, "terminal": None}
_GUARDRAILS = ("input", "output", "tool_input", "tool_output")


async def from_envelope(
    envelope: Envelope,
    agent: Agent[Any],
    *,
    context_override: Mapping[str, Any] | RunContextWrapper[Any] | None = None,
    context_deserializer: Callable[[Mapping[str, Any]], Any] | None = None,
) -> RunState[Any, Any]:
    """Return the run as a state that the SDK resumes, with its decisions.

    Args:
        envelope: The saved document.
        agent: The agent that the run started with.
        context_override: The context to resume with (None: the saved one).
        context_deserializer: Makes the context of the saved mapping (None: the mapping is it).

    Raises:
        NotPortableError: The document has another format, or a fault, whose path is named.
        AgentMismatchError: An agent or tool that the run needs is missing or changed.
    """
    check(envelope)
    check_agents(envelope, agent)
    state = await RunState.from_json(
        agent,
        native_document(envelope),
        context_override=context_override,
        context_deserializer=context_deserializer,
        # Otherwise the SDK drops a nested run that it cannot restore, and runs it anew.
        strict_context=True,
    )
    apply_decisions(state, envelope)
    return state


def native_document(run: Run, around: Native | None = None) -> Native:
    """Return a run as the Python SDK's own document.

    Args:
        run: The run.
        around: The native context of the run around a nested one (None: it is the outermost).
    """
    items = [_item(run, item) for item in run.get("items", [])]
    context = _context(run, around)
    visible, in_session, places = _histories(run, items)
    native: Native = {
        "$schemaVersion": SCHEMA_VERSION,
        "current_turn": run["turn"],
        "current_agent": {"name": run["agent"]},
        "original_input": run["original_input"],
        "pending_input": run.get("pending_input", []),
        "model_responses": [_response(run, r) for r in run.get("responses", [])],
        "context": context,
        "tool_use_tracker": _tools_used(run),
        "max_turns": run["max_turns"],
        "no_active_agent_run": True,
        **{f"{kind}_guardrail_results": _guardrails(run, kind) for kind in _GUARDRAILS},
        "conversation_id": run.get("conversation_id"),
        "previous_response_id": run.get("previous_response_id"),
        "auto_previous_response_id": run.get("auto_previous_response_id", False),
        "generated_prompt_cache_key": run.get("prompt_cache_key"),
        "reasoning_item_id_policy": run.get("reasoning_item_id_policy"),
        "nested_history_owned_session_item_refs": [],
        "generated_session_item_indexes": places,
        "generated_items": visible,
        "session_items": in_session,
        "current_step": _STEPS.get(run["status"]),
        "last_processed_response": None,
        "current_turn_persisted_item_count": _persisted_items(run),
        "trace": {"object": "trace", **run["trace"]} if "trace" in run else None,
    }
    native["last_model_response"] = next(reversed(native["model_responses"]), None)
    if run["status"] == "interrupted":
        native |= _interruption(run, context)
    return native


def _item(run: Run, item: Item) -> Native:
    kind, raw = item["type"], call_of(run, item["raw"])
    native: Native = {"type": kind, "raw_item": raw}
    if kind == "handoff_output_item":
        native["raw_item"] = native_handoff_output(raw)
        for name in ("agent", "source_agent", "target_agent"):
            native[name] = {"name": cast("Any", item)["source_agent" if name == "agent" else name]}
        return native
    native["agent"] = {"name": item.get("agent")}
    if kind == "tool_call_output_item":
        native["output"] = item.get("output", raw.get("output"))
    if kind == "tool_call_item" and "name" in raw:
        native["tool_name"] = raw["name"]
    if kind == "tool_approval_item":
        native |= _approval_names(item, raw)
    for name in ("input_id", "custom_data"):
        if name in item:
            native[name] = item[name]
    return native


def _approval_names(item: Item, raw: Wire) -> Native:
    names: Native = {"tool_name": item.get("tool_name", raw.get("name"))}
    if raw.get("type") == "function_call":
        key = item.get("tool_key") or ["bare", raw["name"]]
        names["tool_lookup_key"] = lookup_key(key)
        if key[0] == "namespaced":
            names["tool_namespace"] = key[1]
    return names


def lookup_key(key: list[str]) -> Native:
    """Return a tool's key as the Python SDK writes it."""
    namespace = {"namespace": key[1]} if key[0] == "namespaced" else {}
    return {"kind": key[0], **namespace, "name": key[-1]}


def _histories(
    run: Run, items: list[Native]
) -> tuple[list[Native], list[Native], list[int | None]]:
    split = run.get("session_items")
    if split is None:
        return items, items, list(range(len(items)))
    places = {item: place for place, item in enumerate(split["order"])}
    in_session = [items[i] for i in split["order"]]
    return items[: split["visible"]], in_session, [places.get(i) for i in range(split["visible"])]


def _response(run: Run, response: Any) -> Native:
    outputs = [call_of(run, place) for place in response["output"]]
    return {
        "usage": _usage(response["usage"]),
        "output": outputs,
        "response_id": response.get("response_id"),
        "request_id": response.get("request_id"),
    }


def _usage(usage: Usage) -> Native:
    entries = [_tokens(entry) for entry in usage.get("entries", [])]
    tokens = _tokens(usage)
    for name in ("input_tokens_details", "output_tokens_details"):
        tokens[name] = [tokens[name]]
    return {"requests": usage.get("requests", 0), **tokens, "request_usage_entries": entries}


def _tokens(usage: Usage) -> Native:
    return {
        "input_tokens": usage["input_tokens"],
        "output_tokens": usage["output_tokens"],
        "total_tokens": usage["total_tokens"],
        "input_tokens_details": {
            "cached_tokens": 0,
            "cache_write_tokens": 0,
            **usage.get("input_tokens_details", {}),
        },
        "output_tokens_details": {
            "reasoning_tokens": 0,
            **usage.get("output_tokens_details", {}),
        },
    }


def _context(run: Run, around: Native | None) -> Native:
    context: Native = {
        "usage": _usage(run["usage"]) if "usage" in run else (around or {})["usage"],
        "tool_invocations": tool_invocations(run),
        "context": run.get("context", around["context"] if around else None),
        **native_approvals(run),
    }
    via = "none" if context["context"] is None else "mapping"
    context["context_meta"] = {
        "original_type": via,
        "serialized_via": via,
        "requires_deserializer": False,
        "omitted": False,
    }
    if "tool_input" in run:
        context["tool_input"] = run["tool_input"]
    return context


def _tools_used(run: Run) -> dict[str, list[str]]:
    used: dict[str, list[str]] = {}
    for item in run.get("items", []):
        if item["type"] in ("tool_call_item", "handoff_call_item"):
            raw = call_of(run, item["raw"])
            if raw.get("type") == "function_call":
                used.setdefault(str(item.get("agent")), []).append(raw["name"])
    return used


def _guardrails(run: Run, kind: str) -> list[Native]:
    return [_guardrail(kind, r) for r in run.get("guardrails", {}).get(kind, [])]


def _guardrail(kind: str, result: dict[str, Any]) -> Native:
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


def _persisted_items(run: Run) -> int:
    if not run.get("session_persisted"):
        return 0
    items = run.get("items", [])
    visible = run["session_items"]["visible"] if "session_items" in run else len(items)
    new = [i for i in run.get("pending", {}).get("new_items", []) if isinstance(i, int)]
    current = items[new[0] if new else 0 : visible]
    return sum(item["type"] != "tool_approval_item" for item in current)


def _interruption(run: Run, context: Native) -> Native:
    waiting = [_waiting(run, i) for i in range(len(run.get("interruptions", [])))]
    data = {"interruptions": waiting, "response_accepted": False, "llm_end_hooks_started": True}
    parts: Native = {"current_step": {"type": "next_step_interruption", "data": data}}
    if "pending" in run:
        parts["last_processed_response"] = _processed(run, context, waiting)
    ownership = _ownership(run)
    if ownership:
        parts["current_response_generated_item_ownership"] = ownership
    return parts


def _waiting(run: Run, index: int) -> Native:
    entry: Any = run.get("interruptions", [])[index]
    if isinstance(entry, int):
        return _item(run, run.get("items", [])[entry])
    if "nested" in entry:
        return _waiting(*nested_entry(run, entry))
    return _item(run, entry)


def _ownership(run: Run) -> Native | None:
    new: list[Any] = list(run.get("pending", {}).get("new_items", []))
    waiting: list[Any] = list(run.get("interruptions", []))
    if not new or not all(isinstance(place, int) for place in new + waiting):
        return None
    items = run.get("items", [])
    visible = run["session_items"]["visible"] if "session_items" in run else len(items)
    return {"start": new[0], "end": visible, "interruptions": waiting}


def _processed(run: Run, context: Native, waiting: list[Native]) -> Native:
    pending = run.get("pending", {})
    items = run.get("items", [])
    new = [items[p] if isinstance(p, int) else p for p in pending.get("new_items", [])]
    functions = pending.get("functions", [])
    handoffs = [(call_of(run, h["call"]), h) for h in pending.get("handoffs", [])]
    calls = [call_of(run, f["call"]) for f in functions]
    processed: Native = {
        "new_items": [_item(run, item) for item in new],
        "tools_used": [call["name"] for call in calls + [call for call, _ in handoffs]],
        "functions": [_function(run, f, context) for f in functions],
        "computer_actions": [],
        "custom_tool_actions": [],
        "local_shell_actions": [],
        "shell_actions": [],
        "apply_patch_actions": [],
        "handoffs": [{"tool_call": c, "handoff": {"tool_name": c["name"]}} for c, _ in handoffs],
        "mcp_approval_requests": [
            {
                "request_item": {"raw_item": call_of(run, place)},
                "mcp_tool": {"name": "hosted_mcp"},
            }
            for place in pending.get("mcp", [])
        ],
        "interruptions": waiting,
        "mcp_tool_bindings": {
            call["call_id"]: _binding(f)
            for call, f in zip(calls, functions, strict=True)
            if _binding(f)
        },
    }
    if "tool_output_guardrail_start" in pending:
        processed["tool_output_guardrail_result_start"] = pending["tool_output_guardrail_start"]
    return processed


def _function(run: Run, function: Function, context: Native) -> Native:
    call = call_of(run, function["call"])
    key = function.get("tool_key") or ["bare", call["name"]]
    native: Native = {
        "tool_call": call,
        "tool": {"name": key[-1], "lookupKey": lookup_key(key)},
    }
    if key[0] == "namespaced":
        native["tool"]["namespace"] = key[1]
    if "nested" in function:
        native["agent_run_state"] = native_document(function["nested"], around=context)
    return native


def _binding(function: Function) -> list[Any] | None:
    binding = function.get("mcp_binding")
    return [binding["server"], binding["tool"], binding.get("index")] if binding else None
