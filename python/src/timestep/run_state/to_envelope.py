"""Writing a run of the Python SDK in the form that both languages read."""

# The SDK has no public way to the agents and decisions of a state.
# pyright: reportPrivateUsage=false

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, cast

from agents import RunState

from timestep.run_state import native as native_state
from timestep.run_state.decisions import stored_approvals
from timestep.run_state.guardrails import stored_guardrails
from timestep.run_state.identity import AgentGraph, warn_of_names
from timestep.run_state.items import portable_response_id, wire_items
from timestep.run_state.native import Native
from timestep.run_state.pending import own_interruptions, stored_pending, unsaved_items
from timestep.run_state.pool import ItemPool
from timestep.run_state.record import FORMAT, Envelope, Item, Response, Run, Wire, present
from timestep.run_state.refusals import refuse_unportable
from timestep.run_state.run_items import stored_item
from timestep.run_state.text import portable
from timestep.run_state.usage import stored_usage

_TIMESTEP_VERSION = version("timestep")


def to_envelope(
    state: RunState[Any, Any],
    native: Native,
    *,
    context_serializer: Callable[[Any], Mapping[str, Any]] | None = None,
    previous: Envelope | None = None,
) -> Envelope:
    """Return the run in the form that both languages read.

    Args:
        state: The live state.
        native: Its `to_json()`, secrets scrubbed or not.
        context_serializer: Makes a mapping of a context that is none (None: refuse those).
        previous: The document that the run was loaded from, whose unknown fields are kept
            (None: there is none).

    Raises:
        NotPortableError: The other language could not continue the run; the message says why.
    """
    if context_serializer and native["context"]["context_meta"]["serialized_via"] != "mapping":
        native = state.to_json(context_serializer=context_serializer)
    graph = AgentGraph(_starting_agent(state))
    graph.refuse_shared_names()
    warn_of_names(graph)
    envelope: dict[str, Any] = {
        "format": FORMAT,
        "writer": {
            "language": "python",
            "sdk_version": native_state.SDK_VERSION,
            "schema_version": native_state.schema_version(native),
            "timestep_version": _TIMESTEP_VERSION,
        },
        **_run(native, graph, around=None),
    }
    return _keep_unknown(cast("Envelope", portable(envelope)), previous)


def _starting_agent(state: RunState[Any, Any]) -> Any:
    return state._starting_agent or state._current_agent


def _run(native: Native, graph: AgentGraph, around: Native | None) -> Run:
    refuse_unportable(native)
    pool = _pool(native)
    context = cast("Native", native["context"])
    run: dict[str, Any] = {
        "status": native_state.run_status(native),
        "agent": native_state.agent_name(native),
        "turn": native_state.turn(native),
        "max_turns": native["max_turns"],
        "original_input": _input(native["original_input"]),
        **present(
            pending_input=wire_items(native.get("pending_input", [])),
            items=pool.items,
            session_items=pool.session_items(),
            responses=_responses(native["model_responses"], pool),
            approvals=stored_approvals(native),
            guardrails=stored_guardrails(native),
            conversation_id=native.get("conversation_id"),
            previous_response_id=native.get("previous_response_id"),
            auto_previous_response_id=native.get("auto_previous_response_id"),
            prompt_cache_key=native.get("generated_prompt_cache_key"),
            reasoning_item_id_policy=native.get("reasoning_item_id_policy"),
            trace=_trace(native.get("trace")),
            session_persisted=_is_persisted(native),
        ),
    }
    outer = cast("Native", around["context"]) if around else {}
    if around is None:
        run["usage"] = stored_usage(context["usage"], whole=True)
    if context["context"] is not None and context["context"] != outer.get("context"):
        run["context"] = context["context"]
    if context.get("tool_input") is not None:
        run["tool_input"] = context["tool_input"]
    if run["status"] == "interrupted":
        run |= stored_pending(native, graph, pool, lambda inner, start: _run(inner, start, native))
        run |= present(session_unsaved=unsaved_items(native, cast("Run", run)) or None)
    return cast("Run", run)


def _is_persisted(native: Native) -> bool:
    # Between two turns the SDK's counter is 0, and it never saves items of earlier turns again.
    between = native_state.run_status(native) == "run_again" and bool(native["generated_items"])
    return between or native["current_turn_persisted_item_count"] > 0


def _input(original: str | list[Wire]) -> str | list[Wire]:
    return original if isinstance(original, str) else wire_items(original)


def _pool(native: Native) -> ItemPool:
    pool = ItemPool()
    waiting = own_interruptions(native)
    places: dict[int | None, int] = {}
    hosted: list[Item] = []
    for native_item, in_session in zip(
        native["generated_items"], native["generated_session_item_indexes"], strict=True
    ):
        item = stored_item(native_item)
        if _is_hosted_approval(item):
            hosted.append(item)
        elif item["type"] != "tool_approval_item" or item in waiting:
            places[in_session] = len(pool.items)
            pool.add(item)
    # Both SDKs put the approval items of requests in other places, and again with each pause.
    for item in waiting:
        if item in hosted:
            pool.add(item)
    for place, native_item in enumerate(native["session_items"]):
        pool.add_to_session(places.get(place), stored_item(native_item))
    return pool


def _is_hosted_approval(item: Item) -> bool:
    return (
        item["type"] == "tool_approval_item"
        and cast("Wire", item["raw"]).get("type") == "mcp_approval_request"
    )


def _responses(native: list[Native], pool: ItemPool) -> list[Response]:
    responses: list[Response] = []
    cursor = 0
    for response in native:
        output: list[int | Wire] = []
        for raw in wire_items(response["output"]):
            place = pool.first(raw, cursor)
            cursor = cursor if place is None else place + 1
            output.append(raw if place is None else place)
        named = present(
            response_id=portable_response_id(response.get("response_id")),
            request_id=response.get("request_id"),
        )
        usage = stored_usage(response["usage"])
        responses.append(cast("Response", {"output": output, "usage": usage, **named}))
    return responses


def _trace(native: Native | None) -> dict[str, Any] | None:
    if not native or native.get("id") in (None, "no-op"):
        return None
    names = ("id", "workflow_name", "group_id", "metadata")
    return present(**{name: native.get(name) for name in names})


def _keep_unknown(envelope: Envelope, previous: Envelope | None) -> Envelope:
    if previous is None:
        return envelope
    known = Envelope.__annotations__.keys() | Run.__annotations__.keys()
    kept = {k: v for k, v in previous.items() if k not in known}
    pairs = zip(envelope.get("items", []), previous.get("items", []), strict=False)
    for item, before in pairs:
        if (item["type"], item["raw"]) == (before["type"], before["raw"]):
            unknown = {k: v for k, v in before.items() if k not in Item.__annotations__}
            cast("dict[str, Any]", item).update(unknown)
    return cast("Envelope", {**kept, **envelope})
