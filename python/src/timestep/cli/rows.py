"""What is read back about runs, as commands print it."""

import argparse
import dataclasses
import json
import re
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from timestep.cli.output import print_facts

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Row = TypeVar("Row", bound="DataclassInstance")
_LONGEST = 200  # characters of a value in a table


def print_rows(
    rows: Sequence[Row],
    columns: Sequence[str],
    *,
    nothing: str,
    describe: Callable[[Row], dict[str, str]] | None = None,
) -> None:
    """Print rows for people on a terminal, one line of tab-separated values per row elsewhere.

    Args:
        rows: The rows.
        columns: Which of their fields.
        nothing: What a person reads where there are none.
        describe: Makes names and values of a row, printed one below the other under the row's
            first column (None: a table of the columns).
    """
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(_on_one_line(_text(getattr(row, name))) for name in columns))
    elif not rows:
        print(nothing)
    elif describe is None:
        _print_table(rows, columns)
    else:
        for number, row in enumerate(rows):
            print("\n" * (number > 0) + _text(getattr(row, columns[0])))
            print_facts(describe(row))


def _print_table(rows: "Sequence[DataclassInstance]", columns: Sequence[str]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for number, name in enumerate(columns):
        # the first one is the name of the row, to be copied
        table.add_column(name.replace("_", " "), overflow="fold", no_wrap=number == 0)
    for row in rows:
        table.add_row(*(Text(_text(getattr(row, name))) for name in columns))
    Console().print(table)


def facts(row: "DataclassInstance") -> dict[str, str]:
    """Return what is there of a row, as text."""
    given = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    return {name: _text(value) for name, value in given.items() if value not in (None, {}, [])}


def shortened(row: Row) -> Row:
    """Return a row whose long values end early, for a table."""
    values = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    texts = {name: _text(value) for name, value in values.items() if value is not None}
    long = {name: f"{text[:_LONGEST]}…" for name, text in texts.items() if len(text) > _LONGEST}
    return dataclasses.replace(row, **long)


def positive(text: str) -> int:
    """Return a number of 1 or more, for argparse."""
    if re.fullmatch("[0-9]{1,18}", text) and (number := int(text)) > 0:
        return number
    raise argparse.ArgumentTypeError(f"it is {text!r}; expected a whole number from 1 on")


def plain(row: "DataclassInstance") -> dict[str, Any]:
    """Return a row fit for JSON."""
    return {name: _plain(value) for name, value in dataclasses.asdict(row).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def _text(value: Any) -> str:
    match value:
        case None:
            return "-"
        case datetime():
            return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
        case Decimal():
            return f"{value.normalize():f}"
        case _:
            return str(value)


def _on_one_line(text: str) -> str:
    return " ".join(text.split()) if any(c in text for c in "\t\r\n") else text
