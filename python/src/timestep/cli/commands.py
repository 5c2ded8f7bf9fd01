"""The commands of `timestep`, and what happens to their errors.

Exit codes, for every command:
  0  done
  1  it failed; one line on standard error says why
  2  the command line was wrong
  3  asked for the state of something: it is not running, or not usable
130  interrupted
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import metadata

from timestep.cli import approvals, db, demo, doctor, runs
from timestep.errors import TimestepError

FAILED = 1

# Each adds its parser and sets run(arguments) -> exit code.
COMMANDS: list[Callable[..., None]] = [
    demo.add_parser,
    doctor.add_parser,
    db.add_parser,
    runs.add_parser,
    approvals.add_parser,
]


def run(arguments: Sequence[str] | None) -> int:
    """Run one command and return its exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        return chosen.run(chosen)
    except TimestepError as error:
        print(f"timestep: {error}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="timestep",
        description="Agents that outlive their process and their language.",
        epilog="Exit codes: 0 done; 1 failed, the reason on standard error; 2 wrong command line; "
        "3 not running or not usable; 130 interrupted.",
    )
    parser.add_argument(
        "--version", action="version", version=f"timestep {metadata.version('timestep')}"
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for add_parser in COMMANDS:
        add_parser(commands)
    return parser
