"""JSON values that Python and JavaScript hold alike, and the one text that both give them."""

import math
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring_ascii
from typing import Any, cast

from timestep.errors import NotPortableError

LARGEST_NUMBER = 2**53 - 1


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


class Encoded(str):
    """A text that is JSON already."""

    __slots__ = ()


def encode(value: Any, *, sort: bool = True) -> str:
    """Return JSON text as the specification fixes it: ASCII, numbers as in JavaScript.

    Args:
        value: What to write.
        sort: Sort the keys of objects; otherwise they keep their order as far as JavaScript
            would, which lists array indexes first (True).
    """
    parts: list[str] = []
    _write(value, parts.append, _sorted if sort else _kept)
    return "".join(parts)


def _write(value: Any, put: Callable[[str], None], order: Callable[[Any], list[str]]) -> None:
    if isinstance(value, str):
        put(value if isinstance(value, Encoded) else encode_basestring_ascii(value))
    elif value is None or isinstance(value, bool):
        put({None: "null", True: "true", False: "false"}[value])
    elif isinstance(value, (int, float)):
        put(_number(value))
    elif isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        put("{")
        for i, key in enumerate(order(members)):
            put(f"{',' if i else ''}{encode_basestring_ascii(key)}:")
            _write(members[key], put, order)
        put("}")
    else:
        put("[")
        for i, element in enumerate(value):
            if i:
                put(",")
            _write(element, put, order)
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


def _sorted(keys: Any) -> list[str]:
    texts = cast("list[str]", list(keys))
    if "".join(texts).isascii() and not any(map(_index, texts)):
        return sorted(texts)
    return sorted(texts, key=lambda key: (*_index_first(key), utf16_order(key)))


def _kept(keys: Any) -> list[str]:
    texts = cast("list[str]", list(keys))
    return sorted(texts, key=_index_first) if any(map(_index, texts)) else texts


def _index_first(key: str) -> tuple[int, int]:
    return (0, int(key)) if _index(key) else (1, 0)


def _index(key: str) -> bool:
    """Return whether JavaScript takes a key for an array index, and lists it by number."""
    if not key[:1].isdigit() or not key.isascii() or not key.isdigit():
        return False
    return (key == "0" or key[0] != "0") and int(key) < 2**32 - 1


def utf16_order(text: str) -> bytes:
    """Return a sort key that orders texts by their UTF-16 code units, as JavaScript does."""
    return text.encode("utf-16-be", "surrogatepass")
