"""Token usage, as both languages store it and as the Python SDK writes it."""

from typing import Any, cast

from timestep.run_state.native import Native
from timestep.run_state.record import Usage, present

# Only these: the Python SDK adds up no others.
_DETAILS = {
    "input_tokens_details": ("cached_tokens", "cache_write_tokens"),
    "output_tokens_details": ("reasoning_tokens",),
}
_TOKENS = ("input_tokens", "output_tokens", "total_tokens")


def stored_usage(native: Native, *, whole: bool = False) -> Usage:
    """Return usage as the specification writes it, with its entries if it is the whole run's."""
    usage: dict[str, Any] = {"requests": native["requests"], **_stored_tokens(native)}
    entries = native.get("request_usage_entries", [])
    if whole and entries:
        usage["entries"] = [_stored_tokens(entry) for entry in entries]
    return cast("Usage", usage)


def _stored_tokens(native: Native) -> dict[str, Any]:
    tokens: dict[str, Any] = {name: native[name] for name in _TOKENS}
    for name, counted in _DETAILS.items():
        details: Any = native.get(name) or {}
        first = cast("Native", details[0] if isinstance(details, list) else details)
        tokens |= present(**{name: {k: first[k] for k in counted if first.get(k)}})
    return tokens


def native_usage(usage: Usage) -> Native:
    """Return usage as the Python SDK writes it."""
    entries = [_native_tokens(entry) for entry in usage.get("entries", [])]
    tokens = _native_tokens(usage)
    for name in ("input_tokens_details", "output_tokens_details"):
        tokens[name] = [tokens[name]]
    return {"requests": usage.get("requests", 0), **tokens, "request_usage_entries": entries}


def _native_tokens(usage: Usage) -> Native:
    tokens: Native = {name: usage[name] for name in _TOKENS}
    for name, counted in _DETAILS.items():
        found = cast("dict[str, int]", usage.get(name, {}))
        tokens[name] = {counter: found.get(counter, 0) for counter in counted}
    return tokens
