"""The saved form of a run that both languages read: its shape.

What each field means is told in `spec/run-state.md`.
"""

import json
from typing import Any, Literal, NotRequired, TypedDict

from timestep.errors import NotPortableError
from timestep.run_state import text as json_text

FORMAT = "timestep.run_state/1"

Wire = dict[str, Any]


class Writer(TypedDict):
    """Which program wrote the document."""

    language: Literal["python", "typescript"]
    sdk_version: str
    schema_version: str
    timestep_version: str


class Item(TypedDict):
    """One item of the run. In an approval item `raw` may be the index of the call's item."""

    type: str
    raw: Wire | int
    agent: NotRequired[str]
    source_agent: NotRequired[str]
    target_agent: NotRequired[str]
    output: NotRequired[Any]
    tool_name: NotRequired[str]
    tool_key: NotRequired[list[str]]
    input_id: NotRequired[str]
    custom_data: NotRequired[dict[str, Any]]


class SessionItems(TypedDict):
    """The session's history, where it differs from what the model sees."""

    visible: int
    order: list[int]


class Usage(TypedDict):
    """Tokens; a single request's entry has no `requests`, only the run's usage has `entries`."""

    requests: NotRequired[int]
    input_tokens: int
    output_tokens: int
    total_tokens: int
    input_tokens_details: NotRequired[dict[str, int]]
    output_tokens_details: NotRequired[dict[str, int]]
    entries: NotRequired[list["Usage"]]


class Response(TypedDict):
    """One model response; an output is the index of an item, or the wire item itself."""

    output: list[int | Wire]
    usage: Usage
    response_id: NotRequired[str]
    request_id: NotRequired[str]


class McpBinding(TypedDict):
    """The local MCP server that serves a tool."""

    server: str
    tool: str
    index: NotRequired[int]


class Function(TypedDict):
    """A function call of the pending response."""

    call: int | Wire
    tool_key: NotRequired[list[str]]
    schema: NotRequired[list[str]]
    mcp_binding: NotRequired[McpBinding]
    nested: NotRequired["Run"]


class HandoffCall(TypedDict):
    """A handoff of the pending response."""

    call: int | Wire
    target: str


class Pending(TypedDict):
    """The model response that waits for decisions."""

    new_items: NotRequired[list[int | Item]]
    functions: NotRequired[list[Function]]
    handoffs: NotRequired[list[HandoffCall]]
    mcp: NotRequired[list[int | Wire]]
    tool_output_guardrail_start: NotRequired[int]


class NestedInterruption(TypedDict):
    """An interruption of a nested run: the call that started the run, and the place there."""

    call_id: str
    nested: int


class Approval(TypedDict):
    """A decision on one call (`call`) or on all calls of a tool (`always`)."""

    kind: Literal["function", "hosted_mcp", "other"]
    agent: NotRequired[str]
    tool_key: NotRequired[list[str]]
    tool: NotRequired[str]
    server_label: NotRequired[str]
    scope: Literal["call", "always"]
    call_id: NotRequired[str]
    decision: Literal["approved", "rejected"]
    message: NotRequired[str]


class Run(TypedDict):
    """A run; a nested one has this form without `Envelope`'s fields."""

    status: Literal["interrupted", "run_again", "terminal"]
    agent: str
    turn: int
    max_turns: int | None
    original_input: str | list[Wire]
    pending_input: NotRequired[list[Wire]]
    items: NotRequired[list[Item]]
    session_items: NotRequired[SessionItems]
    responses: NotRequired[list[Response]]
    pending: NotRequired[Pending]
    interruptions: NotRequired[list[int | NestedInterruption | Item]]
    approvals: NotRequired[list[Approval]]
    guardrails: NotRequired[dict[str, list[dict[str, Any]]]]
    usage: NotRequired[Usage]
    context: NotRequired[dict[str, Any]]
    tool_input: NotRequired[Any]
    conversation_id: NotRequired[str]
    previous_response_id: NotRequired[str]
    auto_previous_response_id: NotRequired[bool]
    prompt_cache_key: NotRequired[str]
    reasoning_item_id_policy: NotRequired[str]
    trace: NotRequired[dict[str, Any]]
    session_persisted: NotRequired[bool]
    session_unsaved: NotRequired[int]


class Envelope(Run):
    """The whole document."""

    format: str
    writer: Writer


def present(**fields: Any) -> dict[str, Any]:
    """Return the fields that the specification writes: those that are not null, false or empty."""
    return {
        k: v for k, v in fields.items() if v is not None and v is not False and v not in ([], {})
    }


# The user's own values keep the order of their keys, because prompts may be made of them.
_IN_USERS_ORDER = ("context", "tool_input")


def encode(envelope: Envelope) -> str:
    """Return the text of a document, the same in Python and in TypeScript."""
    return json_text.encode(_in_users_order(envelope))


def _in_users_order(run: Run | Envelope) -> dict[str, Any]:
    kept: dict[str, Any] = {
        name: json_text.Encoded(json_text.encode(value, sort=False))
        for name, value in run.items()
        if name in _IN_USERS_ORDER
    }
    pending = run.get("pending", {})
    functions = [
        {**f, "nested": _in_users_order(f["nested"])} if "nested" in f else f
        for f in pending.get("functions", [])
    ]
    if functions:
        kept["pending"] = {**pending, "functions": functions}
    return {**run, **kept}


def decode(text: str) -> Envelope:
    """Return the document of a text, checked against the specification.

    Raises:
        NotPortableError: It is no JSON, has another format, or a fault, whose path is named.
    """
    from timestep.run_state.diagnosis import check

    try:
        document = json.loads(text)
    except ValueError as error:
        raise NotPortableError(f"The saved run is not JSON: {error}.") from error
    return check(document)
