"""Rows of the database as commands print them."""

import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text


def print_rows(
    rows: Sequence[Mapping[str, object]], columns: Sequence[str], *, nothing: str
) -> None:
    """Print a table on a terminal, one line of tab-separated values per row elsewhere."""
    if not rows:
        print(nothing)
        return
    if not sys.stdout.isatty():
        print("\n".join("\t".join(_text(row[name]) for name in columns) for row in rows))
        return
    table = Table(*columns, box=None)
    for row in rows:
        table.add_row(*(Text(_text(row[name])) for name in columns))
    Console().print(table)


def plain(row: Mapping[str, object]) -> dict[str, object]:
    """Return a row fit for JSON: times and the like as text."""
    return {
        name: value if isinstance(value, str | int | float | bool | None) else str(value)
        for name, value in row.items()
    }


def _text(value: object) -> str:
    return "-" if value is None else str(value).replace("\t", " ").replace("\n", " ")
