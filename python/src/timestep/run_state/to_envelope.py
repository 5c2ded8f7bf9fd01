"""Writing a run of the Python SDK in the form that both languages read."""

from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any, cast

from agents import RunState

from timestep.errors import NotPortableError
from timestep.run_state import native as native_state
from timestep.run_state.approvals import stored_approvals
from timestep.run_state.diagnosis import check_item_type
from timestep.run_state.identity import AgentGraph, nested_start, warn_of_names
from timestep.run_state.items import stored_handoff_output, wire_item, wire_items
from timestep.run_state.native import Native
from timestep.run_state.pool import ItemPool
from timestep.run_state.record import (
    FORMAT,
    Envelope,
    Function,
    Item,
    Pending,
    Response,
    Run,
    Usage,
    Wire,
    portable,
)
from timestep.run_state.refusals import refuse_unportable
from timestep.run_state.schemas import argument_lines

_DETAILS = {
    "input_tokens_details": ("cached_tokens", "cache_write_tokens"),
    "output_tokens_details": ("reasoning_tokens",),
}
_TOKENS = ("input_tokens", "output_tokens", "total_tokens")


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
            "timestep_version": version("timestep"),
        },
        **_run(native, graph, around=None),
    }
    return _keep_unknown(cast("Envelope", portable(envelope)), previous)


def _starting_agent(state: RunState[Any, Any]) -> Any:
    return state._starting_agent or state._current_agent  # noqa: SLF001 - the only way to the agents  # pyright: ignore[reportPrivateUsage]


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
        **_present(
            pending_input=wire_items(native.get("pending_input", [])),
            items=pool.items,
            session_items=pool.session_items(),
            responses=_responses(native["model_responses"], pool),
            approvals=stored_approvals(context),
            guardrails=_guardrails(native),
            conversation_id=native.get("conversation_id"),
            previous_response_id=native.get("previous_response_id"),
            auto_previous_response_id=native.get("auto_previous_response_id"),
            prompt_cache_key=native.get("generated_prompt_cache_key"),
            reasoning_item_id_policy=native.get("reasoning_item_id_policy"),
            trace=_trace(native.get("trace")),
            session_persisted=native["current_turn_persisted_item_count"] > 0,
        ),
    }
    outer = cast("Native", around["context"]) if around else {}
    if around is None or context["usage"] != outer["usage"]:
        run["usage"] = _usage(context["usage"], whole=True)
    if context["context"] is not None and context["context"] != outer.get("context"):
        run["context"] = context["context"]
    if context.get("tool_input") is not None:
        run["tool_input"] = context["tool_input"]
    if run["status"] == "interrupted":
        run |= _present(pending=_pending(native, graph, pool))
        run |= _present(interruptions=_interruptions(native, pool))
    return cast("Run", run)


def _present(**fields: Any) -> dict[str, Any]:
    return {
        k: v for k, v in fields.items() if v is not None and v is not False and v not in ([], {})
    }


def _input(original: str | list[Wire]) -> str | list[Wire]:
    return original if isinstance(original, str) else wire_items(original)


def _pool(native: Native) -> ItemPool:
    pool = ItemPool()
    for item in native["generated_items"]:
        pool.add(_item(item))
    places = {s: g for g, s in enumerate(native["generated_session_item_indexes"])}
    for place, item in enumerate(native["session_items"]):
        pool.add_to_session(places.get(place), _item(item))
    return pool


def _item(native: Native) -> Item:
    kind = check_item_type(native["type"])
    raw = wire_item(native["raw_item"])
    item: dict[str, Any] = {"type": kind, "raw": raw}
    if kind == "handoff_output_item":
        item["raw"] = stored_handoff_output(raw)
        item["source_agent"] = native["source_agent"]["name"]
        item["target_agent"] = native["target_agent"]["name"]
    else:
        item["agent"] = native["agent"]["name"]
    if kind == "tool_call_output_item" and _has_own_value(native.get("output"), raw):
        item["output"] = native["output"]
    if kind == "tool_approval_item":
        item |= _approval_names(native, raw)
    if kind == "input_item":
        item["input_id"] = native["input_id"]
    if native.get("custom_data"):
        item["custom_data"] = native["custom_data"]
    return cast("Item", item)


def _has_own_value(output: Any, raw: Wire) -> bool:
    return isinstance(raw.get("output"), str) and output != raw["output"] and output is not None


def _approval_names(native: Native, raw: Wire) -> dict[str, Any]:
    name = native.get("tool_name")
    key = tool_key(native.get("tool_lookup_key"), raw)
    return _present(tool_name=None if name == raw.get("name") else name, tool_key=key)


def tool_key(lookup_key: Native | None, raw: Wire) -> list[str] | None:
    """Return a tool's key as the specification writes it, None for the plain name."""
    if lookup_key is None:
        return None
    parts = (lookup_key.get(k) for k in ("kind", "namespace", "name"))
    key = [str(part) for part in parts if part is not None]
    return None if key == ["bare", raw.get("name")] else key


def _responses(native: list[Native], pool: ItemPool) -> list[Response]:
    responses: list[Response] = []
    cursor = 0
    for response in native:
        output: list[int | Wire] = []
        for raw in wire_items(response["output"]):
            place = pool.first(raw, cursor)
            cursor = cursor if place is None else place + 1
            output.append(raw if place is None else place)
        named = _present(**{k: response.get(k) for k in ("response_id", "request_id")})
        usage = _usage(response["usage"])
        responses.append(cast("Response", {"output": output, "usage": usage, **named}))
    return responses


def _usage(native: Native, *, whole: bool = False) -> Usage:
    usage: dict[str, Any] = {"requests": native["requests"], **_tokens(native)}
    entries = native.get("request_usage_entries", [])
    if whole and entries:
        usage["entries"] = [_tokens(entry) for entry in entries]
    return cast("Usage", usage)


def _tokens(native: Native) -> dict[str, Any]:
    tokens: dict[str, Any] = {name: native[name] for name in _TOKENS}
    for name, counted in _DETAILS.items():
        details: Any = native.get(name) or {}
        first: Native = details[0] if isinstance(details, list) else details
        tokens |= _present(**{name: {k: first[k] for k in counted if first.get(k)}})
    return tokens


def _guardrails(native: Native) -> dict[str, list[dict[str, Any]]]:
    kinds = ("input", "output", "tool_input", "tool_output")
    return _present(
        **{k: [_guardrail(r) for r in native.get(f"{k}_guardrail_results", [])] for k in kinds}
    )


def _guardrail(result: Native) -> dict[str, Any]:
    output = cast("Native", result["output"])
    entry: dict[str, Any] = {"name": result["guardrail"]["name"]}
    if "behavior" in output:
        entry["behavior"] = output["behavior"]
    else:
        entry["tripped"] = output["tripwireTriggered"]
    if "agent" in result:
        entry["agent"] = result["agent"]["name"]
    for name, value in (
        ("info", output["outputInfo"]),
        ("agent_output", result.get("agentOutput")),
    ):
        if value is not None:
            entry[name] = value
    return entry


def _trace(native: Native | None) -> dict[str, Any] | None:
    if not native or native.get("id") in (None, "no-op"):
        return None
    names = ("id", "workflow_name", "group_id", "metadata")
    return _present(**{name: native.get(name) for name in names})


def _pending(native: Native, graph: AgentGraph, pool: ItemPool) -> Pending | None:
    processed = cast("Native | None", native["last_processed_response"])
    if processed is None:
        return None
    agent = native_state.agent_name(native)
    bindings = cast("Native", processed.get("mcp_tool_bindings", {}))
    handoffs = [
        {
            "call": pool.call(wire_item(entry["tool_call"])),
            "target": graph.handoff_target(agent, entry["handoff"]["tool_name"]),
        }
        for entry in processed.get("handoffs", [])
    ]
    requests = [
        wire_item(r["request_item"]["raw_item"]) for r in processed["mcp_approval_requests"]
    ]
    return cast(
        "Pending",
        _present(
            new_items=pool.together([_item(item) for item in processed["new_items"]]),
            functions=[_function(f, bindings, native, graph) for f in _calls(processed, pool)],
            handoffs=handoffs,
            mcp=[pool.call(request) for request in requests],
            tool_output_guardrail_start=processed.get("tool_output_guardrail_result_start") or None,
        ),
    )


def _calls(processed: Native, pool: ItemPool) -> list[tuple[int | Wire, Native]]:
    return [(pool.call(wire_item(f["tool_call"])), f) for f in processed.get("functions", [])]


def _function(
    found: tuple[int | Wire, Native], bindings: Native, native: Native, graph: AgentGraph
) -> Function:
    place, function = found
    call, tool = cast("Wire", function["tool_call"]), cast("Native", function["tool"])
    binding = bindings.get(call["call_id"])
    nested = function.get("agent_run_state")
    return cast(
        "Function",
        {
            "call": place,
            **_present(
                tool_key=tool_key(tool.get("lookupKey"), call),
                schema=argument_lines(tool.get("paramsJsonSchema")),
                mcp_binding=binding and _binding(*binding),
                nested=nested and _run(nested, _nested_graph(graph, native, tool), around=native),
            ),
        },
    )


def _binding(server: str, tool: str, index: int | None) -> dict[str, Any]:
    return {"server": server, "tool": tool} | ({} if index is None else {"index": index})


def _nested_graph(graph: AgentGraph, native: Native, tool: Native) -> AgentGraph:
    key = tool_key(tool["lookupKey"], {}) or []
    found = graph.tool(native_state.agent_name(native), key)
    return AgentGraph(nested_start(found, graph.start))


def _interruptions(native: Native, pool: ItemPool) -> list[Any]:
    processed = cast("Native", native["last_processed_response"] or {})
    nested = _nested_interruptions(processed)
    entries: list[Any] = []
    for approval in native["current_step"]["data"]["interruptions"]:
        item = _item(approval)
        place = pool.take_approval(item)
        inner = next((n for n in nested if n[1] == item), None)
        if place is None and inner:
            nested.remove(inner)
            entries.append(inner[0])
        else:
            entries.append(item if place is None else place)
    if nested:
        raise NotPortableError(
            f"Only Python can continue this run: the agent called by {nested[0][0]['call_id']} waits"
            " for a decision that the run itself does not show."
        )
    return entries


def _nested_interruptions(processed: Native) -> list[tuple[dict[str, Any], Item]]:
    found: list[tuple[dict[str, Any], Item]] = []
    for function in processed.get("functions", []):
        inner = cast("Native", function.get("agent_run_state") or {})
        step = cast("Native", inner.get("current_step") or {})
        for i, approval in enumerate(step.get("data", {}).get("interruptions", [])):
            found.append(
                ({"call_id": function["tool_call"]["call_id"], "nested": i}, _item(approval))
            )
    return found


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
