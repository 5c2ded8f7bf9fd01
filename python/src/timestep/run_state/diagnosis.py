"""Finding the first fault of a saved run, before the SDK sees it and hides what it saw."""

import re
from collections.abc import Callable
from typing import Any, cast

from timestep.errors import NotPortableError
from timestep.run_state.record import FORMAT, Envelope

Check = Callable[[Any, str], None]

ITEM_TYPES = (
    "message_output_item",
    "tool_call_item",
    "tool_call_output_item",
    "reasoning_item",
    "handoff_call_item",
    "handoff_output_item",
    "tool_approval_item",
    "compaction_item",
    "tool_search_call_item",
    "tool_search_output_item",
    "input_item",
    "mcp_list_tools_item",
    "mcp_approval_request_item",
    "mcp_approval_response_item",
)
STATUSES = ("interrupted", "run_again", "terminal")


def check(document: Any) -> Envelope:
    """Return the document if it is what the specification says.

    Raises:
        NotPortableError: It has another format (both are named), or a fault (its path is named).
    """
    _object(document, "The document")
    _check_format(document.get("format"))
    for name in ("language", "sdk_version", "schema_version", "timestep_version"):
        _text(_member(_member(document, "writer", ""), name, "writer"), f"writer.{name}")
    _check_run(document, "")
    _usage(_member(document, "usage", ""), "usage")
    return cast("Envelope", document)


def check_item_type(kind: str) -> str:
    """Return the type of an item if both languages know it.

    Raises:
        NotPortableError: They do not.
    """
    if kind in ITEM_TYPES:
        return kind
    raise NotPortableError(f"Only Python can continue this run: it holds an item of type {kind}.")


def _check_format(found: Any) -> None:
    name, _, major = FORMAT.partition("/")
    match = re.fullmatch(rf"{re.escape(name)}/(\d+)", found) if isinstance(found, str) else None
    if match is None:
        raise _fault("format", f"is {found!r}, but should be {FORMAT!r}")
    if match[1] != major:
        raise NotPortableError(
            f"The saved run has the format {found}, but this version of Timestep reads {FORMAT}:"
            " use the version of Timestep that wrote it, or a newer one."
        )


def _check_run(run: dict[str, Any], path: str) -> None:
    at = f"{path}." if path else ""
    if _member(run, "status", path) not in STATUSES:
        raise _fault(f"{at}status", f"is {run['status']!r}, but should be one of {STATUSES}")
    _text(_member(run, "agent", path), f"{at}agent")
    _count(_member(run, "turn", path), f"{at}turn")
    if _member(run, "max_turns", path) is not None:
        _count(run["max_turns"], f"{at}max_turns")
    if not isinstance(_member(run, "original_input", path), str):
        _list(run["original_input"], f"{at}original_input", _object)
    items = run.get("items", [])
    _list(items, f"{at}items", _item)
    place = _place_in(len(items))
    _check_approval_items(items, at)
    _list(run.get("pending_input", []), f"{at}pending_input", _object)
    _list(run.get("responses", []), f"{at}responses", _response(place))
    _list(run.get("approvals", []), f"{at}approvals", _approval)
    for name in ("usage",) if "usage" in run else ():
        _usage(run[name], f"{at}{name}")
    for name in ("context", "guardrails", "trace", "session_items"):
        _object(run.get(name, {}), f"{at}{name}")
    if "session_items" in run:
        _count(_member(run["session_items"], "visible", f"{at}session_items"), f"{at}visible")
        _list(run["session_items"].get("order"), f"{at}session_items.order", place)
    _check_pending(run, at, place)


def _check_approval_items(items: list[dict[str, Any]], at: str) -> None:
    for i, item in enumerate(items):
        raw = item["raw"]
        if isinstance(raw, int) and (
            item["type"] != "tool_approval_item"
            or raw >= i
            or items[raw]["type"] == "tool_approval_item"
        ):
            raise _fault(f"{at}items[{i}].raw", f"is {raw}, but no earlier call stands there")


def _check_pending(run: dict[str, Any], at: str, place: Check) -> None:
    if "pending" not in run:
        return
    pending = run["pending"]
    _object(pending, f"{at}pending")
    place_or_object = _either(place, _object)
    _list(pending.get("new_items", []), f"{at}pending.new_items", _either(place, _item))
    _list(pending.get("mcp", []), f"{at}pending.mcp", place_or_object)
    _list(run.get("interruptions", []), f"{at}interruptions", place_or_object)
    for name, check_one in (("functions", _object), ("handoffs", _object)):
        entries = pending.get(name, [])
        _list(entries, f"{at}pending.{name}", check_one)
        for i, entry in enumerate(entries):
            here = f"{at}pending.{name}[{i}]"
            place_or_object(_member(entry, "call", here), f"{here}.call")
            if name == "handoffs":
                _text(_member(entry, "target", here), f"{here}.target")
            if "nested" in entry:
                _object(entry["nested"], f"{here}.nested")
                _check_run(entry["nested"], f"{here}.nested")


def _item(item: Any, path: str) -> None:
    _object(item, path)
    if _member(item, "type", path) not in ITEM_TYPES:
        raise _fault(f"{path}.type", f"is {item['type']!r}, which is no type of item")
    _either(_count, _object)(_member(item, "raw", path), f"{path}.raw")
    owners = ("source_agent", "target_agent")
    for name in owners if item["type"] == "handoff_output_item" else ("agent",):
        _text(_member(item, name, path), f"{path}.{name}")


def _response(place: Check) -> Check:
    def check_one(response: Any, path: str) -> None:
        _object(response, path)
        _list(_member(response, "output", path), f"{path}.output", _either(place, _object))
        _usage(_member(response, "usage", path), f"{path}.usage")

    return check_one


def _approval(approval: Any, path: str) -> None:
    _object(approval, path)
    kind = _member(approval, "kind", path)
    named = {"function": ("agent",), "hosted_mcp": ("tool", "server_label"), "other": ("tool",)}
    for field, values in (
        ("kind", tuple(named)),
        ("scope", ("call", "always")),
        ("decision", ("approved", "rejected")),
    ):
        if _member(approval, field, path) not in values:
            raise _fault(
                f"{path}.{field}", f"is {approval[field]!r}, but should be one of {values}"
            )
    for name in named[kind] + (("call_id",) if approval["scope"] == "call" else ()):
        _text(_member(approval, name, path), f"{path}.{name}")
    if kind == "function":
        _list(_member(approval, "tool_key", path), f"{path}.tool_key", _text)


def _usage(usage: Any, path: str) -> None:
    _object(usage, path)
    for name in ("requests", "input_tokens", "output_tokens", "total_tokens"):
        _count(_member(usage, name, path), f"{path}.{name}")


def _place_in(length: int) -> Check:
    def check_one(value: Any, path: str) -> None:
        _count(value, path)
        if value >= length:
            raise _fault(path, f"is {value}, but there are only {length} items")

    return check_one


def _either(number: Check, other: Check) -> Check:
    def check_one(value: Any, path: str) -> None:
        (number if isinstance(value, int) else other)(value, path)

    return check_one


def _member(value: Any, name: str, path: str) -> Any:
    if isinstance(value, dict) and name in value:
        return cast("dict[str, Any]", value)[name]
    raise _fault(f"{path}.{name}" if path else name, "is missing")


def _list(value: Any, path: str, check_one: Check) -> None:
    if not isinstance(value, list):
        raise _fault(path, f"is {_kind(value)}, but should be a list")
    for i, element in enumerate(cast("list[Any]", value)):
        check_one(element, f"{path}[{i}]")


def _object(value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise _fault(path, f"is {_kind(value)}, but should be an object")


def _text(value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise _fault(path, f"is {_kind(value)}, but should be a text")


def _count(value: Any, path: str) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _fault(path, f"is {value!r}, but should be a whole number from 0 on")


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__


def _fault(path: str, what: str) -> NotPortableError:
    return NotPortableError(f"The saved run cannot be read: {path} {what}.")
