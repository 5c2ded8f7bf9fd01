"""Decisions on tool calls, as both languages store them and as the Python SDK keeps them."""

from typing import Any, cast

from agents import RunState
from agents._tool_invocation import tool_invocation_approval_scope

from timestep.run_state.approvals import call_id_of
from timestep.run_state.identity import call_of, nested_entry
from timestep.run_state.native import Native
from timestep.run_state.record import Approval, Run, Wire
from timestep.run_state.text import encode, utf16_order

_Entry = dict[str, Any]


def stored_approvals(native: Native) -> list[Approval]:
    """Return the decisions that a native document holds, as the specification writes them."""
    context = cast("Native", native["context"])
    found: list[Approval] = []
    for entry in context.get("function_tool_approvals", []):
        owner = {"kind": "function", "agent": entry["agent"]["name"]}
        key = {"tool_key": _key_of_text(entry["tool_key"])}
        found += _entries({**owner, **key}, entry["decision"])
    for entry in context.get("hosted_mcp_approvals", []):
        identity = entry["identity"]
        if identity["type"] == "server_tool":
            owner = {"server_label": identity["server_label"], "tool": identity["tool_name"]}
            found += _entries({"kind": "hosted_mcp", **owner}, entry["decision"])
    for name, decision in context.get("approvals", {}).items():
        found += _entries({"kind": "other", "tool": name}, decision)
    outputs = (raw for response in native["model_responses"] for raw in response["output"])
    answered = {None, *(call_id_of(raw) for raw in outputs)}
    kept = [approval for approval in found if approval.get("call_id") in answered]
    return sorted(kept, key=lambda approval: utf16_order(encode(approval)))


def _entries(base: dict[str, Any], record: Native) -> list[Approval]:
    always = _always(base, record)
    messages = cast("dict[str, str]", record.get("rejection_messages", {}))
    calls: list[_Entry] = [
        {**base, "scope": "call", "call_id": call_id, "decision": "approved"}
        for call_id in _calls(record["approved"], otherwise=[])
    ]
    # Where every call is rejected, those with words of their own stand out.
    for call_id in _calls(record["rejected"], otherwise=list(messages)):
        entry = {**base, "scope": "call", "call_id": call_id, "decision": "rejected"}
        words = {"message": messages[call_id]} if call_id in messages else {}
        calls.append({**entry, **words})
    said = [(a["decision"], a.get("message")) for a in always]
    calls = [c for c in calls if (c["decision"], c.get("message")) not in said]
    return cast("list[Approval]", always + calls)


def _calls(decided: bool | list[str], *, otherwise: list[str]) -> list[str]:
    return decided if isinstance(decided, list) else otherwise if decided else []


def _always(base: dict[str, Any], record: Native) -> list[dict[str, Any]]:
    if record["approved"] is True:
        return [{**base, "scope": "always", "decision": "approved"}]
    if record["rejected"] is not True:
        return []
    entry = {**base, "scope": "always", "decision": "rejected"}
    message = record.get("sticky_rejection_message")
    return [entry if message is None else {**entry, "message": message}]


def native_approvals(run: Run) -> Native:
    """Return the parts of a native context that hold a run's decisions."""
    functions: dict[str, Native] = {}
    hosted: dict[str, Native] = {}
    others: dict[str, Native] = {}
    for approval in cast("list[_Entry]", run.get("approvals", [])):
        if approval["kind"] == "function":
            record = functions.setdefault(
                encode([approval["agent"], approval["tool_key"]]),
                {
                    "agent": {"name": approval["agent"]},
                    "tool_key": _text_of_key(approval["tool_key"]),
                    "decision": {"approved": [], "rejected": []},
                },
            )["decision"]
        elif approval["kind"] == "hosted_mcp":
            identity = {"server_label": approval["server_label"], "tool_name": approval["tool"]}
            record = hosted.setdefault(
                encode(identity),
                {
                    "identity": {"type": "server_tool", **identity},
                    "decision": {"approved": [], "rejected": []},
                },
            )["decision"]
        else:
            record = others.setdefault(approval["tool"], {"approved": [], "rejected": []})
        _record(record, approval)
    return {
        "approvals": others,
        "function_tool_approvals": list(functions.values()),
        "hosted_mcp_approvals": list(hosted.values()),
    }


def _record(record: Native, approval: _Entry) -> None:
    decision = approval["decision"]
    if approval["scope"] == "always":
        # A decision on all calls stands beside the calls that were decided the other way.
        record[decision] = True
        record["sticky_scope"] = _sticky_scope(approval)
        if decision == "rejected":
            record["approved"] = record["approved"] or False
        if "message" in approval:
            record["sticky_rejection_message"] = approval["message"]
    elif record[decision] is not True:
        record[decision] = [*(record[decision] or []), approval["call_id"]]
        if "message" in approval:
            messages = record.setdefault("rejection_messages", {})
            messages[approval["call_id"]] = approval["message"]
    elif "message" in approval:
        record.setdefault("rejection_messages", {})[approval["call_id"]] = approval["message"]


def _sticky_scope(approval: _Entry) -> str | None:
    if approval["kind"] == "other":
        return None
    if approval["kind"] == "function":
        key: Any = tuple(approval["tool_key"])
        raw = {"type": "function_call", "name": key[-1], "call_id": "any", "arguments": "{}"}
        scope = tool_invocation_approval_scope(raw, tool_lookup_key=key)
    else:
        raw = {"type": "mcp_approval_request", "id": "any", "name": approval["tool"]}
        scope = tool_invocation_approval_scope(
            {**raw, "server_label": approval["server_label"], "arguments": "{}"}
        )
    return scope[1] if scope else None


def _key_of_text(text: str) -> list[str]:
    if text.startswith("deferred_top_level:"):
        return ["deferred_top_level", text.partition(":")[2]]
    namespace, dot, name = text.rpartition(".")
    return ["namespaced", namespace, name] if dot else ["bare", text]


def _text_of_key(key: list[str]) -> str:
    if key[0] == "deferred_top_level":
        return f"deferred_top_level:{key[1]}"
    return ".".join(key[1:])


def apply_decisions(state: RunState[Any, Any], run: Run) -> None:
    """Decide on the pending calls of a restored state as it was decided when it was saved.

    The SDK binds a decision to the exact call, which a stored decision alone does not.
    """
    for item, approval in zip(state.get_interruptions(), _decisions(run), strict=True):
        if approval is None:
            continue
        if approval["decision"] == "approved":
            state.approve(item)
        else:
            state.reject(item, rejection_message=approval.get("message"))


def _decisions(run: Run) -> list[_Entry | None]:
    return [_decision(run, i) for i in range(len(run.get("interruptions", [])))]


def _decision(run: Run, index: int) -> _Entry | None:
    entry: Any = run.get("interruptions", [])[index]
    if isinstance(entry, dict) and "nested" in entry:
        nested, place = nested_entry(run, cast("dict[str, Any]", entry))
        return _decision(nested, place)
    item = cast("_Entry", run.get("items", [])[entry] if isinstance(entry, int) else entry)
    raw = call_of(run, item["raw"])
    matching = [
        a for a in cast("list[_Entry]", run.get("approvals", [])) if _is_about(a, item, raw)
    ]
    by_call = [a for a in matching if a.get("call_id") == call_id_of(raw)]
    always = [a for a in matching if a["scope"] == "always"]
    return next(iter(by_call + always), None)


def _is_about(approval: _Entry, item: dict[str, Any], raw: Wire) -> bool:
    if approval["scope"] == "call" and approval["call_id"] != call_id_of(raw):
        return False
    if approval["kind"] == "function":
        key = item.get("tool_key") or ["bare", raw.get("name")]
        return approval["agent"] == item["agent"] and approval["tool_key"] == key
    if approval["kind"] == "hosted_mcp":
        named = (raw.get("server_label"), raw.get("name"))
        return (approval["server_label"], approval["tool"]) == named
    return False
