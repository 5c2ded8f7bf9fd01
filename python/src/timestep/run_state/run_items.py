"""One item of a run, as both languages store it and as the Python SDK writes it."""

from typing import Any, cast

from timestep.run_state.diagnosis import check_item_type
from timestep.run_state.identity import call_of
from timestep.run_state.items import (
    native_handoff_output,
    native_wire_item,
    stored_handoff_output,
    wire_item,
)
from timestep.run_state.native import Native
from timestep.run_state.record import Item, Run, Wire, present


def stored_item(native: Native) -> Item:
    """Return an item of a native document as the specification writes it."""
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
        item |= _stored_names(native, raw)
    if kind == "input_item":
        item["input_id"] = native["input_id"]
    if native.get("custom_data"):
        item["custom_data"] = native["custom_data"]
    return cast("Item", item)


def _has_own_value(output: Any, raw: Wire) -> bool:
    return isinstance(raw.get("output"), str) and output != raw["output"] and output is not None


def _stored_names(native: Native, raw: Wire) -> dict[str, Any]:
    name = native.get("tool_name")
    key = tool_key(native.get("tool_lookup_key"), raw)
    return present(tool_name=None if name == raw.get("name") else name, tool_key=key)


def tool_key(lookup_key: Native | None, raw: Wire) -> list[str] | None:
    """Return a tool's key as the specification writes it, None for the plain name."""
    if lookup_key is None:
        return None
    parts = (lookup_key.get(k) for k in ("kind", "namespace", "name"))
    key = [str(part) for part in parts if part is not None]
    return None if key == ["bare", raw.get("name")] else key


def native_item(run: Run, item: Item) -> Native:
    """Return an item of a run as the Python SDK writes it."""
    kind, raw = item["type"], call_of(run, item["raw"])
    native: Native = {"type": kind, "raw_item": native_wire_item(raw)}
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
        native |= _native_names(item, raw)
    return native | {k: v for k, v in item.items() if k in ("input_id", "custom_data")}


def _native_names(item: Item, raw: Wire) -> Native:
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
