"""The saved form of a run that both languages read: its shape and its text.

What each field means is told in `spec/run-state.md`.
"""

import json
import math
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring_ascii
from typing import Any, Literal, NotRequired, TypedDict, cast

from timestep.errors import NotPortableError

FORMAT = "timestep.run_state/1"
LARGEST_NUMBER = 2**53 - 1

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


class Envelope(Run):
    """The whole document."""

    format: str
    writer: Writer


def portable(value: Any, path: str = "") -> Any:
    """Return the value as plain JSON that both languages hold alike.

    Raises:
        NotPortableError: A part of it cannot be written as JSON or would not be the same
            in JavaScript; the message names its path.
    """
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (int, float)):
        return _portable_number(value, path)
    if isinstance(value, Mapping):
        members = cast("Mapping[Any, Any]", value)
        return {
            _key(k, path): portable(v, f"{path}.{k}" if path else k) for k, v in members.items()
        }
    if isinstance(value, (list, tuple)):
        elements = cast("list[Any]", value)
        return [portable(v, f"{path}[{i}]") for i, v in enumerate(elements)]
    raise NotPortableError(
        f"{path} is {type(value).__name__}, which JSON cannot hold:"
        " keep texts, numbers, booleans, lists and mappings there."
    )


def _key(key: object, path: str) -> str:
    if isinstance(key, str):
        return key
    raise NotPortableError(f"{path} has the key {key!r}, but keys must be texts.")


def _portable_number(number: float, path: str) -> float:
    if isinstance(number, float) and not math.isfinite(number):
        raise NotPortableError(f"{path} is {number}, which JSON cannot hold.")
    if abs(number) > LARGEST_NUMBER:
        raise NotPortableError(
            f"{path} is {number}, but JavaScript keeps whole numbers only up to"
            f" {LARGEST_NUMBER}: keep it as a text."
        )
    return int(number) if int(number) == number else float(number)


def encode(value: Any) -> str:
    """Return JSON text as the specification fixes it: sorted, ASCII, numbers as in JavaScript.

    Equal values give equal text in Python and in TypeScript.
    """
    parts: list[str] = []
    _write(value, parts.append)
    return "".join(parts)


def _write(value: Any, put: Callable[[str], None]) -> None:
    if isinstance(value, str):
        put(encode_basestring_ascii(value))
    elif value is None or isinstance(value, bool):
        put({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, (int, float)):
        put(_number(value))
    elif isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        put("{")
        for i, key in enumerate(in_order(members)):
            put(f"{',' if i else ''}{encode_basestring_ascii(key)}:")
            _write(members[key], put)
        put("}")
    else:
        put("[")
        for i, element in enumerate(value):
            if i:
                put(",")
            _write(element, put)
        put("]")


def _number(number: float) -> str:
    if int(number) == number:
        return str(int(number))
    text = repr(number)
    if "e" not in text:
        return text
    # Python turns to exponents below 1e-4, JavaScript below 1e-6; neither pads the digits.
    digits, exponent = text.split("e")
    places = -int(exponent)
    if places > 6:
        return f"{digits}e-{places}"
    sign = "-" if number < 0 else ""
    return f"{sign}0.{'0' * (places - 1)}{digits.strip('-').replace('.', '')}"


def in_order(keys: Any) -> list[str]:
    """Return keys as JavaScript lists them: array indexes by number, the others by UTF-16 unit."""
    texts = cast("list[str]", list(keys))
    joined = "".join(texts)
    if joined.isascii() and not any(k[:1].isdigit() for k in texts):
        return sorted(texts)
    return sorted(texts, key=_place)


def utf16_order(text: str) -> bytes:
    """Return a sort key that orders texts by their UTF-16 code units, as JavaScript does."""
    return text.encode("utf-16-be", "surrogatepass")


def _place(key: str) -> tuple[int, int, bytes]:
    is_index = key.isascii() and key.isdigit() and (key == "0" or key[0] != "0")
    if is_index and int(key) < 2**32 - 1:
        return (0, int(key), b"")
    return (1, 0, utf16_order(key))


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
