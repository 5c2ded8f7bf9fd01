"""Which calls were carried out, as the Python SDK keeps it: derived, never stored."""

from typing import Any, cast

from agents._tool_invocation import tool_invocation_identity_and_scope, tool_output_identity

from timestep.run_state.identity import call_of
from timestep.run_state.native import Native
from timestep.run_state.record import Item, Run, Wire


def tool_invocations(run: Run) -> Native:
    """Return the SDK's ledger of the calls that were carried out, or wait inside an agent.

    The SDK binds the calls that wait for a decision itself, when the decision is applied.
    """
    done = _done(run)
    ledger: Native = {}
    for item in run.get("items", []):
        entry = _entry(item, call_of(run, item["raw"]), done)
        if entry:
            ledger |= entry
    for function in run.get("pending", {}).get("functions", []):
        if "nested" in function:
            key: Any = tuple(function["tool_key"]) if "tool_key" in function else None
            call = call_of(run, function["call"])
            ledger |= _record(
                tool_invocation_identity_and_scope(call, tool_lookup_key=key), completed=False
            )
    return ledger


def _done(run: Run) -> set[tuple[str, str]]:
    raws = [call_of(run, item["raw"]) for item in run.get("items", [])]
    return {identity for raw in raws if (identity := tool_output_identity(raw))}


def _entry(item: Item, call: Wire, done: set[tuple[str, str]]) -> Native | None:
    if item["type"] == "tool_approval_item":
        return None
    role = "handoff" if item["type"] == "handoff_call_item" else None
    name = call.get("name") if item["type"] == "tool_call_item" else None
    identity = tool_invocation_identity_and_scope(call, tool_name=name, invocation_role=role)
    if identity is None or identity[:2] not in done:
        return None
    return _record(identity, completed=True)


def _record(identity: tuple[str, str, str, str] | None, *, completed: bool) -> Native:
    if identity is None:
        return {}
    kind, call_id, scope, fingerprint = identity
    record = {"type": kind, "approval_scope": scope, "fingerprint": fingerprint}
    return cast("Native", {call_id: {**record, "executed": True, "completed": completed}})
