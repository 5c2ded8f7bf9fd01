"""Wire items: the items of the Responses API, as both languages store them."""

import json
from typing import Any

from timestep.run_state.record import Wire
from timestep.run_state.text import encode

# What the SDKs' chat-completions models put where a real id would stand.
PYTHON_PLACEHOLDER = "__fake_id__"
_PLACEHOLDERS = (PYTHON_PLACEHOLDER, "FAKE_ID")


def portable_item(item: Wire) -> Wire:
    """Return the item without what chat-completions models leave on it; the rest is unchanged."""
    dropped = ("provider_data", "id") if _is_placeholder(item.get("id")) else ("provider_data",)
    if not any(name in item for name in dropped):
        return item
    return {key: value for key, value in item.items() if key not in dropped}


def _is_placeholder(item_id: object) -> bool:
    return isinstance(item_id, str) and (
        item_id in _PLACEHOLDERS or item_id.startswith("chatcmpl-")
    )


def native_wire_item(wire: Wire) -> Wire:
    """Return a stored item as the Python SDK takes it, which needs an id where chat gave none."""
    if wire.get("type") in ("message", "reasoning") and "id" not in wire:
        return {"id": PYTHON_PLACEHOLDER, **wire}
    return wire


def wire_item(item: Wire) -> Wire:
    """Return the item in the form in which both languages store it in a run."""
    wire = portable_item(item)
    if wire.get("type") == "function_call_output" and wire.get("status") == "completed":
        return {key: value for key, value in wire.items() if key != "status"}
    return wire


def wire_items(items: list[Wire]) -> list[Wire]:
    """Return all items in the form in which both languages store them in a run."""
    return [wire_item(item) for item in items]


def stored_handoff_output(wire: Wire) -> Wire:
    """Return a handoff's output with its text in the form that both languages share."""
    target = _handoff_target(wire.get("output"))
    return wire if target is None else {**wire, "output": encode({"assistant": target})}


def native_handoff_output(wire: Wire) -> Wire:
    """Return a handoff's output with its text as the Python SDK writes it."""
    target = _handoff_target(wire.get("output"))
    return wire if target is None else {**wire, "output": json.dumps({"assistant": target})}


def _handoff_target(output: Any) -> str | None:
    if not isinstance(output, str) or not output.startswith("{"):
        return None
    try:
        value = json.loads(output)
    except ValueError:
        return None
    if list(value) != ["assistant"] or not isinstance(value["assistant"], str):
        return None
    return value["assistant"]
