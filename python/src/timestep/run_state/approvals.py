"""Decisions on tool calls: what waits for one, and those that were made."""

from dataclasses import dataclass
from typing import Any, Literal, cast

from agents import RunState
from agents._tool_invocation import tool_invocation_approval_scope
from agents.items import ToolApprovalItem

from timestep.run_state.native import Native
from timestep.run_state.record import Approval, Run, Wire, encode, utf16_order

Kind = Literal["function", "hosted_mcp", "other"]
Decision = Literal["approved", "rejected"]


@dataclass(frozen=True)
class PendingApproval:
    """A call that waits, or waited, for a decision.

    Attributes:
        kind: What is called: a function tool, a hosted MCP server, or something else.
        agent: The agent that calls.
        tool: The tool's name.
        call_id: The call's id (None: the model gave none).
        arguments: The arguments as the model wrote them.
        decision: What was decided (None: nothing yet).
        message: What the model is told after a rejection (None: the SDK's words).
    """

    kind: Kind
    agent: str
    tool: str
    call_id: str | None
    arguments: str
    decision: Decision | None = None
    message: str | None = None


def pending_approvals(state: RunState[Any, Any]) -> list[PendingApproval]:
    """Return the calls that the run waits for, those of agents as tools included."""
    return [_pending_approval(state, item) for item in state.get_interruptions()]


def _pending_approval(state: RunState[Any, Any], item: ToolApprovalItem) -> PendingApproval:
    raw = raw_of(item)
    decision, message = _decision_on(state, item, raw)
    return PendingApproval(
        kind=_kind(raw),
        agent=item.agent.name,
        tool=item.tool_name or str(raw.get("name") or raw.get("type")),
        call_id=call_id_of(raw),
        arguments=_arguments(raw),
        decision=decision,
        message=message,
    )


def raw_of(item: ToolApprovalItem) -> Wire:
    """Return the call of an approval item as a wire item."""
    raw: Any = item.raw_item
    return raw if isinstance(raw, dict) else raw.model_dump(exclude_unset=True)


def call_id_of(raw: Wire) -> str | None:
    """Return the id under which a call is decided on."""
    if raw.get("type") == "mcp_approval_request":
        return raw.get("id")
    return raw.get("call_id") or raw.get("id")


def _kind(raw: Wire) -> Kind:
    kinds: dict[str, Kind] = {
        "function_call": "function",
        "mcp_approval_request": "hosted_mcp",
    }
    return kinds.get(str(raw.get("type")), "other")


def _arguments(raw: Wire) -> str:
    arguments = raw.get("arguments", raw.get("input"))
    if isinstance(arguments, str):
        return arguments
    return encode({k: v for k, v in raw.items() if k in ("action", "operation", "operations")})


def _decision_on(
    state: RunState[Any, Any], item: ToolApprovalItem, raw: Wire
) -> tuple[Decision | None, str | None]:
    call_id = call_id_of(raw)
    nested = state._find_nested_approval_state(item)  # noqa: SLF001 - the SDK decides through it  # pyright: ignore[reportPrivateUsage]
    owner, owned = nested or (state, item)
    context = owner._context  # noqa: SLF001 - a state has no public way to its decisions  # pyright: ignore[reportPrivateUsage]
    if context is None or call_id is None:
        return None, None
    name = owned.tool_name or str(raw.get("name"))
    named = {
        "tool_namespace": owned.tool_namespace,
        "tool_lookup_key": owned.tool_lookup_key,
        "existing_pending": owned,
    }
    approved = context.get_approval_status(name, call_id, **cast("Any", named))
    if approved is None or approved:
        return ("approved" if approved else None), None
    return "rejected", context.get_rejection_message(name, call_id, **cast("Any", named))


def stored_approvals(context: Native) -> list[Approval]:
    """Return the decisions of a native context as the specification writes them."""
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
    return sorted(found, key=lambda approval: utf16_order(encode(approval)))


def _entries(base: dict[str, Any], record: Native) -> list[Approval]:
    always = _always(base, record)
    messages = cast("dict[str, str]", record.get("rejection_messages", {}))
    calls: list[dict[str, Any]] = []
    for decision in ("approved", "rejected"):
        # With a decision on all calls, a call of its own is one with words of its own.
        of_its_own = messages if decision == "rejected" and record[decision] is True else []
        decided = record[decision]
        for call_id in decided if isinstance(decided, list) else of_its_own:
            entry = {**base, "scope": "call", "call_id": call_id, "decision": decision}
            message = messages.get(call_id) if decision == "rejected" else None
            calls.append(entry if message is None else {**entry, "message": message})
    said = [(a["decision"], a.get("message")) for a in always]
    calls = [c for c in calls if (c["decision"], c.get("message")) not in said]
    return cast("list[Approval]", always + calls)


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
    for approval in run.get("approvals", []):
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


def _record(record: Native, approval: Approval) -> None:
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


def _sticky_scope(approval: Approval) -> str | None:
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


def _decisions(run: Run) -> list[Approval | None]:
    return [_decision(run, i) for i in range(len(run.get("interruptions", [])))]


def _decision(run: Run, index: int) -> Approval | None:
    entry: Any = run.get("interruptions", [])[index]
    if isinstance(entry, dict) and "nested" in entry:
        nested, place = nested_entry(run, cast("dict[str, Any]", entry))
        return _decision(nested, place)
    item: Any = run.get("items", [])[entry] if isinstance(entry, int) else entry
    raw: Any = item["raw"] if not isinstance(item["raw"], int) else run["items"][item["raw"]]["raw"]  # pyright: ignore[reportTypedDictNotRequiredAccess]
    matching = [a for a in run.get("approvals", []) if _is_about(a, item, raw)]
    by_call = [a for a in matching if a.get("call_id") == call_id_of(raw)]
    always = [a for a in matching if a["scope"] == "always"]
    return next(iter(by_call + always), None)


def _is_about(approval: Approval, item: dict[str, Any], raw: Wire) -> bool:
    if approval["scope"] == "call" and approval["call_id"] != call_id_of(raw):
        return False
    if approval["kind"] == "function":
        key = item.get("tool_key") or ["bare", raw.get("name")]
        return approval["agent"] == item["agent"] and approval["tool_key"] == key
    if approval["kind"] == "hosted_mcp":
        named = (raw.get("server_label"), raw.get("name"))
        return (approval["server_label"], approval["tool"]) == named
    return False


def nested_entry(run: Run, entry: dict[str, Any]) -> tuple[Run, int]:
    """Return the nested run of an interruption, and its place there."""
    for function in run.get("pending", {}).get("functions", []):
        call: Any = function["call"]
        raw: Any = run.get("items", [])[call]["raw"] if isinstance(call, int) else call
        if raw.get("call_id") == entry["call_id"] and "nested" in function:
            return function["nested"], entry["nested"]
    raise ValueError(f"no nested run for call {entry['call_id']!r}")
