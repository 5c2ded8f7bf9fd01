"""timestep runs: durable runs, what they did, and ending them.

Exit codes:
  0  done; also for a run that had ended before it was to be cancelled
  1  there is no such run, or the database cannot be used
"""

import argparse
import asyncio
import dataclasses
import sys
from typing import Any

from timestep.cli.output import Commands, add_json_option, print_facts, print_json
from timestep.cli.rows import facts, plain, positive, print_rows, shortened
from timestep.durable.endings import cancel_run
from timestep.durable.reading import get_run, list_approvals, list_run_steps, list_runs
from timestep.durable.records import ApprovalRecord, RunRecord, StepRecord
from timestep.errors import ConfigurationError

STATUSES = ("pending", "running", "interrupted", "completed", "failed", "cancelled")
_RUNS = ("run_id", "status", "agent", "created_at", "total_tokens")
_STEPS = ("kind", "name", "status", "arguments", "output", "total_tokens")


def add_parser(commands: Commands) -> None:
    """Add `timestep runs` and its commands."""
    meaning = "durable runs: list them, show one, cancel one"
    parser = commands.add_parser("runs", help=meaning, description=meaning)
    actions = parser.add_subparsers(required=True, metavar="action")
    meaning = "the newest runs"
    listing = actions.add_parser("list", help=meaning, description=meaning)
    listing.add_argument("--status", choices=STATUSES, help="only runs of this status")
    listing.add_argument("--agent", help="only runs of this agent")
    listing.add_argument("--session", help="only runs of this session")
    listing.add_argument("--limit", type=positive, default=20, help="at most so many (20)")
    add_json_option(listing)
    listing.set_defaults(run=show_list)
    meaning = "a run, its model calls and tool calls, and what it waits for"
    showing = actions.add_parser("show", help=meaning, description=meaning)
    showing.add_argument("run_id")
    add_json_option(showing)
    showing.set_defaults(run=show)
    meaning = "end a run; what it still does is not recorded"
    cancelling = actions.add_parser("cancel", help=meaning, description=meaning)
    cancelling.add_argument("run_id")
    cancelling.add_argument("--reason", default="cancelled on the command line", help="for the row")
    add_json_option(cancelling)
    cancelling.set_defaults(run=cancel)


def show_list(arguments: argparse.Namespace) -> int:
    """Print the newest runs."""
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
        print_rows(runs, _RUNS, nothing="no runs")
    return 0


def show(arguments: argparse.Namespace) -> int:
    """Print a run, its steps and what it waits for."""
    run, steps, waiting = asyncio.run(_all_of(arguments.run_id))
    if arguments.json:
        print_json(
            {
                **plain(run),
                "steps": [plain(step) for step in steps],
                "waits_for": [plain(approval) for approval in waiting],
            }
        )
        return 0
    print_facts(facts(run))
    print()
    print_rows([shortened(_in_words(step)) for step in steps], _STEPS, nothing="no steps yet")
    if waiting:
        print(
            f"\nwaits for {len(waiting)} decision(s): timestep approvals list --run {run.run_id}",
            file=sys.stderr,
        )
    return 0


def cancel(arguments: argparse.Namespace) -> int:
    """End a run."""
    ended = asyncio.run(cancel_run(arguments.run_id, reason=arguments.reason))
    if arguments.json:
        print_json({"run_id": arguments.run_id, "cancelled": ended})
    else:
        print("cancelled" if ended else "it had ended before")
    return 0


def _in_words(step: StepRecord) -> StepRecord:
    """Return a step with what a model answered as a person reads it."""
    if not isinstance(step.output, list):
        return step
    return dataclasses.replace(step, output="; ".join(_item(item) for item in step.output))


def _item(item: dict[str, Any]) -> str:
    match item:
        case {"type": "message", "content": [*parts]}:
            return "".join(str(part.get("text") or part.get("refusal") or "") for part in parts)
        case {"type": "function_call", "name": name}:
            return f"calls {name}"
        case _:
            return str(item.get("type", "text"))


async def _all_of(run_id: str) -> tuple[RunRecord, list[StepRecord], list[ApprovalRecord]]:
    run = await get_run(run_id)
    if run is None:
        raise ConfigurationError(
            f"There is no run {run_id!r} in this database. timestep runs list names the newest;"
            " timestep doctor tells which database it is."
        )
    return run, await list_run_steps(run_id), await list_approvals(run_id=run_id)
