"""Wire items: the items of the Responses API, as both languages store them."""

import json
from typing import Any

from timestep.run_state.record import Wire
from timestep.run_state.text import encode

# The SDKs' chat-completions models put these where a real id would stand.
_PLACEHOLDER_IDS = ("__fake_id__", "FAKE_ID")


def portable_item(item: Wire) -> Wire:
    """Return the item without what chat-completions models leave on it; the rest is unchanged."""
    if "provider_data" not in item and item.get("id") not in _PLACEHOLDER_IDS:
        return item
    return {
        key: value
        for key, value in item.items()
        if key != "provider_data" and not (key == "id" and value in _PLACEHOLDER_IDS)
    }


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
