"""What commands print: one JSON document with --json, else a table for people."""

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text


class Commands(Protocol):
    """What argparse returns for a list of commands; its own name is private."""

    def add_parser(self, name: str, *, help: str, description: str) -> argparse.ArgumentParser:  # noqa: A002  # argparse's word
        """Add one command."""
        ...


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Give a command the option --json."""
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def print_json(document: object) -> None:
    """Print one JSON document on one line."""
    print(json.dumps(document))


def print_facts(facts: Mapping[str, object], *, title: str | None = None) -> None:
    """Print names and values: aligned on a terminal, "name: value" lines elsewhere."""
    shown = {name: "-" if value is None else str(value) for name, value in facts.items()}
    if not sys.stdout.isatty():
        print("\n".join([*([title] if title else []), *(f"{n}: {v}" for n, v in shown.items())]))
        return
    table = Table(title=title, title_justify="left", show_header=False, box=None)
    for name, value in shown.items():
        table.add_row(Text(name, style="bold"), Text(value))
    Console().print(table)
