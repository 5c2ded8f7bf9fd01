"""Rows that both languages run, from spec/vectors."""

import json
from pathlib import Path
from typing import Any

import pytest

_VECTORS = Path(__file__).parents[3] / "spec" / "vectors"


def rows(path: str) -> list[Any]:
    """Return the rows of a file as pytest parameters, each named by its description."""
    listed: list[dict[str, Any]] = json.loads((_VECTORS / path).read_text("utf-8"))
    return [pytest.param(row, id=row["description"].replace(" ", "-")) for row in listed]


def assert_error(error: BaseException, expected: dict[str, Any]) -> None:
    """Check the class and the words of an error."""
    assert type(error).__name__ == expected["name"], repr(error)
    missing = [text for text in expected["message"] if text not in str(error)]
    assert not missing, f"{missing} in {error}"
