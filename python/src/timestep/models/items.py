"""What one provider's items may show to another, so that a run can change provider half-way.

OpenAI's reasoning is a ciphertext that Ollama would read aloud as thinking, and Ollama's item
ids repeat from one answer to the next. Therefore every item that Ollama writes gets an id that
is unique and tells where it comes from, and each side is sent only what is its own.
"""

import json
from typing import Any, cast
from uuid import uuid4

from agents import TResponseInputItem, UserError
from agents.items import TResponseStreamEvent

ModelInput = str | list[TResponseInputItem]
_OWN = "_ollama_"
_READABLE = frozenset({"message", "function_call", "function_call_output"})
# Thinking of others, and the note that a search took place, whose result follows as text.
_DROPPED = frozenset({"reasoning", "web_search_call"})


def for_ollama(model_input: ModelInput) -> ModelInput:
    """Return the input without other providers' reasoning and ids.

    Raises:
        UserError: An item is of a kind that Ollama cannot read.
    """
    if isinstance(model_input, str):
        return model_input
    kept = [item for item in model_input if _is_own(item) or item.get("type") not in _DROPPED]
    for item in kept:
        kind = item.get("type", "message")
        if kind not in _READABLE and not _is_own(item):
            raise UserError(
                f"Ollama cannot read the {kind!r} item in this conversation. Continue it with "
                "the provider that wrote the item, or take the item out of the input."
            )
    return [_readable(item if _is_own(item) else _without_id(item)) for item in kept]


def _readable(item: TResponseInputItem) -> TResponseInputItem:
    """Return the item; malformed arguments of a call, which Ollama refuses, become a text."""
    if item.get("type") != "function_call":
        return item
    call = cast("dict[str, Any]", item)
    try:
        is_object = isinstance(json.loads(call["arguments"] or "{}"), dict)
    except ValueError:
        is_object = False
    if is_object:
        return item
    text = json.dumps({"malformed": call["arguments"]}, ensure_ascii=False, separators=(",", ":"))
    return cast("TResponseInputItem", {**call, "arguments": text})


def for_openai(model_input: ModelInput) -> ModelInput:
    """Return the input without Ollama's reasoning and ids."""
    if isinstance(model_input, str):
        return model_input
    return [
        _without_id(item) if _is_own(item) else item
        for item in model_input
        if not (_is_own(item) and item.get("type") == "reasoning")
    ]


def _is_own(item: TResponseInputItem) -> bool:
    return _OWN in str(item.get("id"))


def _without_id(item: TResponseInputItem) -> TResponseInputItem:
    return cast("TResponseInputItem", {key: value for key, value in item.items() if key != "id"})


class OwnIds:
    """Gives the items of one answer ids that no other answer has."""

    def __init__(self) -> None:
        self._ids: dict[str, str] = {}

    def rename(self, event: TResponseStreamEvent) -> None:
        """Change every item id in the event; the same item keeps the same id."""
        holder: Any = event
        if isinstance(getattr(holder, "item_id", None), str):
            holder.item_id = self._renamed(holder.item_id)
        response = getattr(holder, "response", None)
        items: list[Any] = [getattr(holder, "item", None), *getattr(response, "output", [])]
        for item in items:
            if isinstance(getattr(item, "id", None), str):
                item.id = self._renamed(item.id)

    def _renamed(self, given: str) -> str:
        if _OWN not in given:
            kind = given.split("_")[0]
            self._ids.setdefault(given, f"{kind}{_OWN}{uuid4().hex}")
        return self._ids.get(given, given)
