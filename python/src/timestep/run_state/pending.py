"""The response that waits for decisions, as both languages store it and as the SDK writes it."""

from collections.abc import Callable
from typing import Any, cast

from timestep.errors import NotPortableError
from timestep.run_state import native as native_state
from timestep.run_state.identity import AgentGraph, call_of, nested_entry, nested_start
from timestep.run_state.items import wire_item
from timestep.run_state.native import Native
from timestep.run_state.pool import ItemPool
from timestep.run_state.record import Function, Item, Pending, Run, Wire, present
from timestep.run_state.run_items import lookup_key, native_item, stored_item, tool_key
from timestep.run_state.schemas import argument_lines

StoreNested = Callable[[Native, AgentGraph], Run]
NativeNested = Callable[[Run], Native]

_OTHER_ACTIONS = (
    "computer_actions",
    "custom_tool_actions",
    "local_shell_actions",
    "shell_actions",
    "apply_patch_actions",
)


def stored_pending(
    native: Native, graph: AgentGraph, pool: ItemPool, nested: StoreNested
) -> dict[str, Any]:
    """Return the fields of an interrupted run that tell what it waits for."""
    processed = cast("Native", native["last_processed_response"] or {})
    agent = native_state.agent_name(native)
    calls = [
        (pool.call(wire_item(f["tool_call"])), cast("Native", f))
        for f in processed.get("functions", [])
    ]
    handoffs = [
        {
            "call": pool.call(wire_item(entry["tool_call"])),
            "target": graph.handoff_target(agent, entry["handoff"]["tool_name"]),
        }
        for entry in processed.get("handoffs", [])
    ]
    requests = [r["request_item"]["raw_item"] for r in processed.get("mcp_approval_requests", [])]
    pending: Pending = cast(
        "Pending",
        present(
            new_items=pool.together([stored_item(i) for i in processed.get("new_items", [])]),
            functions=[_stored_function(p, f, native, graph, nested) for p, f in calls],
            handoffs=handoffs,
            mcp=[pool.call(wire_item(request)) for request in requests],
            tool_output_guardrail_start=processed.get("tool_output_guardrail_result_start") or None,
        ),
    )
    return present(pending=pending, interruptions=_stored_interruptions(native, pool))


def _stored_function(
    place: int | Wire, function: Native, native: Native, graph: AgentGraph, nested: StoreNested
) -> Function:
    call, tool = cast("Wire", function["tool_call"]), cast("Native", function["tool"])
    bindings = cast("Native", native["last_processed_response"].get("mcp_tool_bindings", {}))
    inner = cast("Native | None", function.get("agent_run_state"))
    return cast(
        "Function",
        {
            "call": place,
            **present(
                tool_key=tool_key(tool.get("lookupKey"), call),
                schema=argument_lines(tool.get("paramsJsonSchema")),
                mcp_binding=_stored_binding(bindings.get(call["call_id"])),
                nested=nested(inner, _nested_graph(graph, native, tool)) if inner else None,
            ),
        },
    )


def _stored_binding(binding: list[Any] | None) -> dict[str, Any] | None:
    names = ("server", "tool", "index")
    return present(**dict(zip(names, binding, strict=True))) if binding else None


def _nested_graph(graph: AgentGraph, native: Native, tool: Native) -> AgentGraph:
    key = tool_key(tool["lookupKey"], {}) or []
    found = graph.tool(native_state.agent_name(native), key)
    return AgentGraph(nested_start(found, graph.start))


def _stored_interruptions(native: Native, pool: ItemPool) -> list[Any]:
    nested = _nested_interruptions(native)
    entries: list[Any] = []
    for approval in native["current_step"]["data"]["interruptions"]:
        item = stored_item(approval)
        inner = next((n for n in nested if n[1] == item), None)
        if inner:
            nested.remove(inner)
            entries.append(inner[0])
        else:
            place = pool.take_approval(item)
            entries.append(item if place is None else place)
    if nested:
        raise NotPortableError(
            f"Only Python can continue this run: the agent called by {nested[0][0]['call_id']}"
            " waits for a decision that the run itself does not show."
        )
    return entries


def own_interruptions(native: Native) -> list[Item]:
    """Return the approval items that the run itself waits for, without those of nested runs."""
    step = cast("Native", native.get("current_step") or {})
    shown = [stored_item(a) for a in step.get("data", {}).get("interruptions", [])]
    nested = [item for _, item in _nested_interruptions(native)]
    return [item for item in shown if item not in nested]


def _nested_interruptions(native: Native) -> list[tuple[dict[str, Any], Item]]:
    """Return what the nested runs wait for: each reference, and the item that it stands for."""
    found: list[tuple[dict[str, Any], Item]] = []
    processed = cast("Native", native.get("last_processed_response") or {})
    for function in processed.get("functions", []):
        inner = cast("Native", function.get("agent_run_state") or {})
        step = cast("Native", inner.get("current_step") or {})
        call_id = function["tool_call"]["call_id"]
        waiting = cast("list[Native]", step.get("data", {}).get("interruptions", []))
        found += [
            ({"call_id": call_id, "nested": i}, stored_item(a)) for i, a in enumerate(waiting)
        ]
    return found


def native_pending(run: Run, nested: NativeNested) -> Native:
    """Return the fields of a native document that tell what an interrupted run waits for."""
    waiting = [_waiting(run, i) for i in range(len(run.get("interruptions", [])))]
    data = {"interruptions": waiting, "response_accepted": False, "llm_end_hooks_started": True}
    fields: Native = {"current_step": {"type": "next_step_interruption", "data": data}}
    if "pending" in run:
        fields["last_processed_response"] = _processed(run, waiting, nested)
    ownership = _ownership(run)
    if ownership:
        fields["current_response_generated_item_ownership"] = ownership
    return fields


def _waiting(run: Run, index: int) -> Native:
    entry: Any = run.get("interruptions", [])[index]
    if isinstance(entry, int):
        return native_item(run, run.get("items", [])[entry])
    if "nested" in entry:
        return _waiting(*nested_entry(run, entry))
    return native_item(run, entry)


def _ownership(run: Run) -> Native | None:
    new: list[Any] = list(run.get("pending", {}).get("new_items", []))
    waiting: list[Any] = list(run.get("interruptions", []))
    if not new or not all(isinstance(place, int) for place in new + waiting):
        return None
    return {"start": new[0], "end": visible_items(run), "interruptions": waiting}


def visible_items(run: Run) -> int:
    """Return how many of a run's items the model sees."""
    return run["session_items"]["visible"] if "session_items" in run else len(run.get("items", []))


def current_items(run: Run) -> list[int]:
    """Return the places of the items since the pending response began, without approvals."""
    items = run.get("items", [])
    new = [i for i in run.get("pending", {}).get("new_items", []) if isinstance(i, int)]
    since = range(new[0] if new else 0, visible_items(run))
    return [place for place in since if items[place]["type"] != "tool_approval_item"]


def unsaved_items(native: Native, run: Run) -> int:
    """Return how many items at the end the session does not hold, if it holds the run's at all."""
    persisted = cast("int", native["current_turn_persisted_item_count"])
    left = current_items(run)[persisted:] if persisted > 0 else []
    return visible_items(run) - left[0] if left else 0


def _processed(run: Run, waiting: list[Native], nested: NativeNested) -> Native:
    pending, items = run.get("pending", {}), run.get("items", [])
    new = [items[p] if isinstance(p, int) else p for p in pending.get("new_items", [])]
    functions = [(call_of(run, f["call"]), f) for f in pending.get("functions", [])]
    handoffs = [call_of(run, h["call"]) for h in pending.get("handoffs", [])]
    requests = [call_of(run, place) for place in pending.get("mcp", [])]
    processed: Native = {
        "new_items": [native_item(run, item) for item in new],
        "tools_used": [call["name"] for call in [c for c, _ in functions] + handoffs],
        "functions": [_native_function(call, f, nested) for call, f in functions],
        **{action: [] for action in _OTHER_ACTIONS},
        "handoffs": [{"tool_call": c, "handoff": {"tool_name": c["name"]}} for c in handoffs],
        "mcp_approval_requests": [
            {"request_item": {"raw_item": r}, "mcp_tool": {"name": "hosted_mcp"}} for r in requests
        ],
        "interruptions": waiting,
        "mcp_tool_bindings": {
            call["call_id"]: [binding["server"], binding["tool"], binding.get("index")]
            for call, f in functions
            if (binding := f.get("mcp_binding"))
        },
    }
    if "tool_output_guardrail_start" in pending:
        processed["tool_output_guardrail_result_start"] = pending["tool_output_guardrail_start"]
    return processed


def _native_function(call: Wire, function: Function, nested: NativeNested) -> Native:
    key = function.get("tool_key") or ["bare", call["name"]]
    namespace = {"namespace": key[1]} if key[0] == "namespaced" else {}
    native: Native = {
        "tool_call": call,
        "tool": {"name": key[-1], **namespace, "lookupKey": lookup_key(key)},
    }
    if "nested" in function:
        native["agent_run_state"] = nested(function["nested"])
    return native
