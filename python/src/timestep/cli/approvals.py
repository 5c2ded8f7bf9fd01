"""timestep approvals: what durable runs wait for, and deciding on it.

Exit codes:
  0  done; also for a decision that had been taken in the same way before
  1  it was decided otherwise before, has expired or is not there; or the database cannot be used
"""

import argparse
import asyncio
import getpass

from timestep.cli.output import Commands, add_json_option, print_facts, print_json
from timestep.cli.rows import facts, plain, positive, print_rows
from timestep.database import open_database
from timestep.durable.approvals import NOBODY, decide_approval, next_segment
from timestep.durable.reading import list_approvals
from timestep.durable.records import ApprovalRecord

_COLUMNS = ("approval_id", "tool", "arguments", "status", "run_id", "reason")
_UNKNOWN = (
    "the outcome of this call is unknown: the process that made it ended while the call was"
    " running. Approve to make it again, reject to leave it"
)


def add_parser(commands: Commands) -> None:
    """Add `timestep approvals` and its commands."""
    meaning = "calls of durable runs that wait for a decision"
    parser = commands.add_parser("approvals", help=meaning, description=meaning)
    actions = parser.add_subparsers(required=True, metavar="action")
    meaning = "what waits for a decision, oldest first"
    listing = actions.add_parser("list", help=meaning, description=meaning)
    listing.add_argument("--run", dest="run_id", metavar="RUN_ID", help="only those of this run")
    listing.add_argument("--all", action="store_true", help="those that were decided on, too")
    listing.add_argument("--limit", type=positive, default=100, help="at most so many (100)")
    add_json_option(listing)
    listing.set_defaults(run=show_list)
    meaning = "let the tool be called; the run goes on when all of its calls are decided"
    approving = actions.add_parser("approve", help=meaning, description=meaning)
    approving.add_argument("approval_id")
    approving.add_argument("--arguments", metavar="JSON", help="call the tool with these instead")
    _add_decision(approving, approve=True)
    meaning = "turn the call down; the run goes on when all of its calls are decided"
    rejecting = actions.add_parser("reject", help=meaning, description=meaning)
    rejecting.add_argument("approval_id")
    rejecting.add_argument("--message", help="what the model is told")
    _add_decision(rejecting, approve=False)


def _add_decision(parser: argparse.ArgumentParser, *, approve: bool) -> None:
    parser.add_argument("--always", action="store_true", help="for further calls of the tool, too")
    parser.add_argument("--by", metavar="NAME", help="who decides (the user who is logged in)")
    add_json_option(parser)
    parser.set_defaults(run=decide, approve=approve, arguments=None, message=None)


def show_list(arguments: argparse.Namespace) -> int:
    """Print what waits for a decision."""
    approvals = asyncio.run(
        list_approvals(
            status=None if arguments.all else "pending",
            run_id=arguments.run_id,
            limit=arguments.limit,
        )
    )
    if arguments.json:
        print_json([plain(approval) for approval in approvals])
    else:
        print_rows(approvals, _COLUMNS, nothing="nothing waits for a decision", describe=_described)
    return 0


def decide(arguments: argparse.Namespace) -> int:
    """Decide on a call and let the run go on if that was the last one."""
    approval, waiting = asyncio.run(_decide(arguments))
    if arguments.json:
        print_json({**plain(approval), "resumed": not waiting})
        return 0
    left = f"waits for {waiting} more decision(s)" if waiting else "goes on"
    print_facts(
        {"tool": approval.tool, "decision": approval.status, f"run {approval.run_id}": left}
    )
    return 0


async def _decide(arguments: argparse.Namespace) -> tuple[ApprovalRecord, int]:
    """Return the approval, and on how many calls of its run nothing is decided."""
    approval = await decide_approval(
        arguments.approval_id,
        approve=arguments.approve,
        message=arguments.message,
        arguments=arguments.arguments,
        always=arguments.always,
        decided_by=arguments.by or _who(),
    )
    waiting = await list_approvals(run_id=approval.run_id)
    if not waiting:
        await asyncio.to_thread(next_segment, await open_database(), approval.run_id, NOBODY)
    return approval, len(waiting)


def _who() -> str | None:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user that has no name
        return None


def _described(approval: ApprovalRecord) -> dict[str, str]:
    """Return an approval as a person wants to read it, before deciding or afterwards."""
    shown = facts(approval)
    for name in ("approval_id", "session_id", "call_id", "always"):
        shown.pop(name, None)
    if approval.reason is not None:
        shown["reason"] = _UNKNOWN
    return shown
