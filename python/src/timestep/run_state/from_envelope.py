"""Restoring a run that either language saved, as a state of the Python SDK."""

from collections.abc import Callable, Mapping
from typing import Any

from agents import Agent, RunContextWrapper, RunState

from timestep.errors import NotPortableError
from timestep.run_state.decisions import apply_decisions, native_approvals
from timestep.run_state.diagnosis import check
from timestep.run_state.guardrails import native_guardrails
from timestep.run_state.identity import call_of, check_agents
from timestep.run_state.items import native_wire_item
from timestep.run_state.ledger import tool_invocations
from timestep.run_state.native import SCHEMA_VERSION, SDK_VERSION, Native
from timestep.run_state.pending import current_items, native_pending, visible_items
from timestep.run_state.record import Envelope, Response, Run
from timestep.run_state.run_items import native_item
from timestep.run_state.usage import native_usage

_STEPS = {"run_again": {"type": "next_step_run_again"}, "terminal": None}


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
    try:
        state = await RunState.from_json(
            agent,
            native_document(envelope),
            context_override=context_override,
            context_deserializer=context_deserializer,
            # Otherwise the SDK drops a nested run that it cannot restore, and runs it anew.
            strict_context=True,
        )
        apply_decisions(state, envelope)
    except (RuntimeError, UnicodeError) as error:
        raise NotPortableError(_refused(envelope, error)) from error
    return state


def _refused(envelope: Envelope, error: Exception) -> str:
    writer = envelope["writer"]
    return (
        f"The Python SDK {SDK_VERSION} cannot read this run, which {writer['language']} saved with"
        f" its SDK {writer['sdk_version']}: {error} Continue it in {writer['language']}."
    )


def native_document(run: Run, around: Native | None = None) -> Native:
    """Return a run as the Python SDK's own document.

    Args:
        run: The run.
        around: The native context of the run around a nested one (None: it is the outermost).
    """
    items = [native_item(run, item) for item in run.get("items", [])]
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
        **native_guardrails(run),
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
        native |= native_pending(run, lambda inner: native_document(inner, around=context))
    return native


def _histories(
    run: Run, items: list[Native]
) -> tuple[list[Native], list[Native], list[int | None]]:
    split = run.get("session_items")
    if split is None:
        return items, items, list(range(len(items)))
    places = {item: place for place, item in enumerate(split["order"])}
    in_session = [items[i] for i in split["order"]]
    return items[: split["visible"]], in_session, [places.get(i) for i in range(split["visible"])]


def _response(run: Run, response: Response) -> Native:
    outputs = [native_wire_item(call_of(run, place)) for place in response["output"]]
    return {
        "usage": native_usage(response["usage"]),
        "output": outputs,
        "response_id": response.get("response_id"),
        "request_id": response.get("request_id"),
    }


def _context(run: Run, around: Native | None) -> Native:
    context: Native = {
        "usage": native_usage(run["usage"]) if "usage" in run else (around or {})["usage"],
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


def _persisted_items(run: Run) -> int:
    if not run.get("session_persisted"):
        return 0
    saved = visible_items(run) - run.get("session_unsaved", 0)
    return sum(place < saved for place in current_items(run))
