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
    portable = {key: value for key, value in item.items() if key not in dropped}
    if "id" in dropped and isinstance(item.get("content"), list):
        portable["content"] = [_without_empty_lists(part) for part in item["content"]]
    return portable


def _without_empty_lists(part: Wire) -> Wire:
    return {k: v for k, v in part.items() if v != [] or k not in ("annotations", "logprobs")}


def _is_placeholder(item_id: object) -> bool:
    return isinstance(item_id, str) and (
        item_id in _PLACEHOLDERS or item_id.startswith("chatcmpl-")
    )


def portable_response_id(response_id: str | None) -> str | None:
    """Return the id of a response of the Responses API; that of a chat completion names none."""
    return None if _is_placeholder(response_id) else response_id


def native_wire_item(wire: Wire) -> Wire:
    """Return a stored item as the Python SDK takes it, which needs an id where chat gave none."""
    if wire.get("type") not in ("message", "reasoning") or "id" in wire:
        return wire
    if isinstance(wire.get("content"), list) and wire["type"] == "message":
        parts = [_with_annotations(part) for part in wire["content"]]
        return {"id": PYTHON_PLACEHOLDER, **wire, "content": parts}
    return {"id": PYTHON_PLACEHOLDER, **wire}


def _with_annotations(part: Wire) -> Wire:
    return {"annotations": [], **part} if part.get("type") == "output_text" else part


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
