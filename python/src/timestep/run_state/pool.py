"""The items of a run, each stored once, and the search for those that are equal."""

from typing import Any, cast

from timestep.run_state.record import Item, SessionItems, Wire
from timestep.run_state.text import encode

_APPROVAL = "tool_approval_item"


class ItemPool:
    """The items of one run in order; what the model sees first, then what only its session has."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self._texts: list[str] = []
        self._places: dict[str, list[int]] = {}
        self._approvals: dict[str, list[int]] = {}
        self._visible = 0
        self._order: list[int] = []

    def add(self, item: Item) -> None:
        """Add the next item that the model sees."""
        self._append(item)
        self._visible = len(self.items)

    def add_to_session(self, place: int | None, item: Item) -> None:
        """Add the next item of the session's history, which is the item at `place` or a new one."""
        if item["type"] == _APPROVAL:
            return
        if place is None:
            place = len(self.items)
            self._append(item)
        self._order.append(place)

    def _append(self, item: Item) -> None:
        place, text = len(self.items), encode(item["raw"])
        self._texts.append(text)
        if item["type"] == _APPROVAL:
            self._approvals.setdefault(_owned(item, text), []).append(place)
            earlier = self._places.get(text)
            item = cast("Item", {**item, "raw": earlier[-1]} if earlier else item)
        else:
            self._places.setdefault(text, []).append(place)
        self.items.append(item)

    def session_items(self) -> SessionItems | None:
        """Return the session's history if it is not what the model sees."""
        seen = [i for i in range(self._visible) if self.items[i]["type"] != _APPROVAL]
        if self._order == seen:
            return None
        return {"visible": self._visible, "order": self._order}

    def first(self, raw: Wire, start: int) -> int | None:
        """Return the first place from `start` on that the model sees and that holds the raw."""
        places = self._places.get(encode(raw), [])
        return next((p for p in places if start <= p < self._visible), None)

    def call(self, raw: Wire) -> int | Wire:
        """Return the last place that the model sees and that holds a call, else the call itself."""
        places = [p for p in self._places.get(encode(raw), []) if p < self._visible]
        return places[-1] if places else raw

    def together(self, items: list[Item]) -> list[int | Item]:
        """Return the last places where the items stand together, else each by itself."""
        texts = [encode(item["raw"]) for item in items]
        for start in range(self._visible - len(texts), -1, -1):
            places = range(start, start + len(texts))
            if self._texts[start : start + len(texts)] == texts and not any(
                self.items[p]["type"] == _APPROVAL for p in places
            ):
                return list(places)
        return list(items)

    def take_approval(self, item: Item) -> int | None:
        """Return the last place of an equal approval item that was not taken yet."""
        places = self._approvals.get(_owned(item, encode(item["raw"])))
        return places.pop() if places else None


def _owned(item: Item, text: str) -> str:
    return encode([cast("Any", item).get("agent"), text])
