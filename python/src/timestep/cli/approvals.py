"""timestep approvals: what durable runs wait for, and deciding on it."""

import argparse
import asyncio
import getpass
from typing import Any

from timestep.cli.output import Commands, add_json_option, print_facts, print_json
from timestep.cli.rows import plain, print_rows

_SHOWN = ("approval_id", "run_id", "agent", "tool", "arguments", "status", "created_at")


def add_parser(commands: Commands) -> None:
    """Add `timestep approvals` and its commands."""
    meaning = "calls of durable runs that wait for a decision"
    parser = commands.add_parser("approvals", help=meaning, description=meaning)
    actions = parser.add_subparsers(required=True, metavar="action")
    listing = actions.add_parser("list", help="what waits", description="what waits, oldest first")
    listing.add_argument("--run", dest="run_id", help="only those of this run")
    listing.add_argument("--all", action="store_true", help="decided ones, too")
    _finish(listing, show_list)
    meaning = "let the tool be called; the run goes on when all is decided"
    approving = actions.add_parser("approve", help=meaning, description=meaning)
    approving.add_argument("approval_id")
    approving.add_argument("--arguments", help="JSON to call the tool with instead")
    _finish_deciding(approving, approve=True)
    meaning = "turn the call down; the run goes on when all is decided"
    rejecting = actions.add_parser("reject", help=meaning, description=meaning)
    rejecting.add_argument("approval_id")
    rejecting.add_argument("--message", help="what the model is told")
    _finish_deciding(rejecting, approve=False)


def _finish(parser: argparse.ArgumentParser, run: Any) -> None:
    add_json_option(parser)
    parser.set_defaults(run=run)


def _finish_deciding(parser: argparse.ArgumentParser, *, approve: bool) -> None:
    parser.add_argument("--always", action="store_true", help="for further calls of the tool, too")
    parser.add_argument("--by", help="who decides (the user of the operating system)")
    parser.set_defaults(approve=approve, arguments=None, message=None)
    _finish(parser, decide)


def show_list(arguments: argparse.Namespace) -> int:
    """Print what waits for a decision."""
    from timestep.durable.approvals import list_approvals  # here: other commands start faster

    status = None if arguments.all else "pending"
    approvals = asyncio.run(list_approvals(status=status, run_id=arguments.run_id))
    if arguments.json:
        print_json([plain(approval) for approval in approvals])
    else:
        print_rows(approvals, _SHOWN, nothing="nothing waits for a decision")
    return 0


def decide(arguments: argparse.Namespace) -> int:
    """Decide on a call and let the run go on if that was the last one."""
    approval = asyncio.run(_decide(arguments))
    if arguments.json:
        print_json(plain(approval))
    else:
        print_facts({name: approval[name] for name in ("run_id", "tool", "status", "resumed")})
    return 0


async def _decide(arguments: argparse.Namespace) -> dict[str, Any]:
    from timestep.durable.approvals import decide_approval, list_approvals, resume_run

    approval = await decide_approval(
        arguments.approval_id,
        approve=arguments.approve,
        message=arguments.message,
        arguments=arguments.arguments,
        always=arguments.always,
        decided_by=arguments.by or getpass.getuser(),
    )
    run_id = approval["run_id"]
    waiting = await list_approvals(run_id=run_id) if run_id else [approval]
    if not waiting:
        await resume_run(run_id)
    return {**approval, "resumed": not waiting}
