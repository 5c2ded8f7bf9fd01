"""timestep runs: durable runs, what they did, and ending them."""

import argparse
import asyncio
from typing import Any

from timestep.cli.output import Commands, add_json_option, print_facts, print_json
from timestep.cli.rows import plain, print_rows
from timestep.errors import ConfigurationError

STATUSES = ("pending", "running", "interrupted", "completed", "failed", "cancelled")
_SHOWN = ("run_id", "status", "agent", "session_id", "created_at", "finished_at", "total_tokens")
_STEP = ("key", "agent", "name", "status", "arguments", "total_tokens", "language", "finished_at")


def add_parser(commands: Commands) -> None:
    """Add `timestep runs` and its commands."""
    meaning = "durable runs: list them, show one, cancel one"
    parser = commands.add_parser("runs", help=meaning, description=meaning)
    actions = parser.add_subparsers(required=True, metavar="action")
    listing = actions.add_parser("list", help="the newest runs", description="the newest runs")
    listing.add_argument("--status", choices=STATUSES, help="only runs of this status")
    listing.add_argument("--agent", help="only runs of this agent")
    listing.add_argument("--session", help="only runs of this session")
    listing.add_argument("--limit", type=int, default=20, help="at most so many (20)")
    _finish(listing, show_list)
    showing = actions.add_parser("show", help="a run and its steps", description="one run")
    showing.add_argument("run_id")
    _finish(showing, show)
    meaning = "end a run; what it still does is not recorded"
    cancelling = actions.add_parser("cancel", help=meaning, description=meaning)
    cancelling.add_argument("run_id")
    cancelling.add_argument("--reason", default="cancelled on the command line")
    _finish(cancelling, cancel)


def _finish(parser: argparse.ArgumentParser, run: Any) -> None:
    add_json_option(parser)
    parser.set_defaults(run=run)


def show_list(arguments: argparse.Namespace) -> int:
    """Print the newest runs."""
    from timestep.durable.runs import list_runs  # here, so that other commands start faster

    runs = asyncio.run(
        list_runs(
            status=arguments.status,
            agent=arguments.agent,
            session_id=arguments.session,
            limit=arguments.limit,
        )
    )
    if arguments.json:
        print_json([plain(run) for run in runs])
    else:
        print_rows(runs, _SHOWN, nothing="no runs")
    return 0


def show(arguments: argparse.Namespace) -> int:
    """Print a run and its steps."""
    run, steps = asyncio.run(_run_and_steps(arguments.run_id))
    if run is None:
        raise ConfigurationError(f"There is no run {arguments.run_id!r} in this database.")
    if arguments.json:
        print_json({**plain(run), "steps": [plain(step) for step in steps]})
    else:
        print_facts({name: value for name, value in run.items() if value is not None})
        print_rows(steps, _STEP, nothing="no steps yet")
    return 0


def cancel(arguments: argparse.Namespace) -> int:
    """End a run."""
    from timestep.durable.runs import cancel_run

    ended = asyncio.run(cancel_run(arguments.run_id, reason=arguments.reason))
    if arguments.json:
        print_json({"run_id": arguments.run_id, "cancelled": ended})
    else:
        print("cancelled" if ended else "it had ended before")
    return 0


async def _run_and_steps(run_id: str) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    from timestep.durable.runs import get_run, list_run_steps

    return await get_run(run_id), await list_run_steps(run_id)
