"""JSON documents as they lie in the database: text, ASCII only, nothing that JSON cannot say."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import cast


def dump(value: object) -> str:
    r"""Return the value as JSON text in which every character outside ASCII is escaped.

    NUL and lone surrogates, which models do produce, survive as ``\u0000`` and ``\ud800``.

    Raises:
        ValueError: The value holds NaN, an infinity or something that is no JSON; its path is
            named.
    """
    try:
        return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        path = _path_of_misfit(value, "$")
        raise ValueError(f"{path or '$'} cannot be written as JSON: {error}") from error


def load(text: str) -> object:
    """Return the value of JSON text."""
    return json.loads(text)


def without_nul(text: str) -> str:
    """Return the text fit for a PostgreSQL text column, which takes neither NUL nor surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _path_of_misfit(value: object, path: str) -> str | None:
    match value:
        case None | str() | bool() | int():
            return None
        case float():
            return None if math.isfinite(value) else path
        case Mapping():
            members = cast("Mapping[object, object]", value).items()
            return _first(
                f"{path}.{key}" if not isinstance(key, str) else _path_of_misfit(v, f"{path}.{key}")
                for key, v in members
            )
        case list() | tuple():
            elements = cast("Sequence[object]", value)
            return _first(_path_of_misfit(v, f"{path}[{i}]") for i, v in enumerate(elements))
        case _:
            return path


def _first(paths: object) -> str | None:
    return next((p for p in cast("Sequence[str | None]", paths) if p is not None), None)
