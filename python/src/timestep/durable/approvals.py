"""Decisions on the calls that durable runs wait for."""

import uuid
from typing import Any

from timestep import documents
from timestep.database import Database, open_database
from timestep.durable.reading import APPROVAL
from timestep.durable.records import ApprovalRecord, record
from timestep.errors import ApprovalConflictError, ConfigurationError, StateConflictError

# as the owner of a run: no executor, so that any reaper that has the agent takes it over
NOBODY = "00000000-0000-0000-0000-000000000000"


async def decide_approval(
    approval_id: str,
    *,
    approve: bool,
    message: str | None = None,
    arguments: str | dict[str, Any] | None = None,
    always: bool = False,
    decided_by: str | None = None,
) -> ApprovalRecord:
    """Approve or reject a call that a run waits for; return the approval.

    Of several decisions the first one counts. The run goes on when `resume_run` is called.

    Args:
        approval_id: From `list_approvals`.
        approve: True lets the tool be called.
        message: What the model is told after a rejection (None: the SDK's words).
        arguments: What the tool is called with in place of the model's arguments, as JSON text
            or a mapping; only with `approve` (None: the model's).
        always: The decision counts for further calls of this tool in this run, too (False).
        decided_by: Who decides, for the record (None).

    Raises:
        ApprovalConflictError: It was decided otherwise before, or has expired.
        ConfigurationError: There is no such approval, `approve` is neither True nor False, or the
            arguments are no JSON object.
    """
    _check_approve(approve)
    edited = None if arguments is None else _edited(arguments, approve=approve)
    database = await open_database()
    rows = await database.fetch(
        "select * from timestep.decide_approval_v1(%s, %s, %s, %s, %s, %s)",
        _uuid(approval_id),
        "approved" if approve else "rejected",
        message and documents.without_nul(message),
        edited,
        always,
        decided_by and documents.without_nul(decided_by),
    )
    decided = rows[0]
    if decided["outcome"] == "missing":
        raise ConfigurationError(f"There is no approval {approval_id} in this database.")
    if decided["outcome"] not in ("decided", "same"):
        raise _conflict(approval_id, decided)
    found = await database.fetch(
        f"select {APPROVAL} from timestep.approvals where approval_id = %s",  # noqa: S608 - our own names
        approval_id,
        repeatable=True,
    )
    return record(ApprovalRecord, found[0])


def next_segment(database: Database, run_id: str, owner: str) -> int | None:
    """Begin the next segment of a paused run, from a thread.

    Args:
        database: Where the run lies.
        run_id: The run.
        owner: The instance that is about to execute it, or NOBODY.

    Returns:
        The segment; None if the run goes on already or has ended.

    Raises:
        ApprovalConflictError: A decision is missing.
        StateConflictError: The run's saved state was resumed outside of the run.
        ConfigurationError: There is no such run.
    """
    rows = database.fetch_sync("select * from timestep.resume_run_v1(%s, %s)", run_id, owner)
    resumed = rows[0]
    match resumed["reason"]:
        case "undecided":
            raise ApprovalConflictError(
                f"Run {run_id} cannot go on: {resumed['pending']} of its calls wait for a"
                " decision. list_approvals(run_id=…) names them."
            )
        case "taken":
            raise StateConflictError(
                f"Run {run_id} cannot go on: its saved state was resumed outside of the run, by"
                " run_agent() or RunStateStore. Cancel the run."
            )
        case "missing":
            raise ConfigurationError(f"There is no run {run_id!r} in this database.")
        case _:
            return resumed["segment"] if resumed["resumed"] else None


def _edited(arguments: str | dict[str, Any], *, approve: bool) -> str:
    if not approve:
        raise ConfigurationError("arguments are for an approved call; this one is rejected.")
    try:
        value = documents.load(arguments) if isinstance(arguments, str) else arguments
        text = arguments if isinstance(arguments, str) else documents.dump(arguments)
    except ValueError as error:
        raise ConfigurationError(f"arguments are no JSON: {error}") from None
    if not isinstance(value, dict):
        raise ConfigurationError("arguments are no JSON object, which a tool is called with.")
    return documents.without_nul(text)


def _check_approve(approve: object) -> None:
    """Refuse what might be read as the opposite of what was meant, such as "no"."""
    if not isinstance(approve, bool):
        raise ConfigurationError(f"approve is {approve!r}; expected True or False.")


def _uuid(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is no approval id; list_approvals() has them."
        ) from None


def _conflict(approval_id: str, decided: dict[str, Any]) -> ApprovalConflictError:
    if decided["outcome"] == "expired":
        return ApprovalConflictError(f"The approval {approval_id} has expired: it is a rejection.")
    by = f" by {decided['decided_by']}" if decided["decided_by"] else ""
    return ApprovalConflictError(
        f"The approval {approval_id} is {decided['status']}{by} already; nothing was changed."
    )
