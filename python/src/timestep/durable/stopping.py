"""How an execution ends: the run has finished, failed, or waits for decisions."""

from typing import TYPE_CHECKING, Any

from timestep import documents
from timestep.durable.failure import words
from timestep.durable.sql import calling
from timestep.run_state.store import RunStateStore, SavedVersion, remember_saved

if TYPE_CHECKING:
    from timestep.durable.execution import Execution, SDKResult

_FINISH = calling("finish_run_v1", 11)
_PAUSE = calling("pause_run_v1", 10)


async def finish(
    execution: "Execution",
    status: str,
    *,
    result: "SDKResult | None" = None,
    error: BaseException | None = None,
) -> None:
    """Write the end of a run.

    Raises:
        RunOwnershipLostError: The run has another owner.
    """
    from timestep.durable.execution import as_json

    journal = execution.journal
    rows = await journal.database.fetch(
        _FINISH,
        journal.run_id,
        journal.epoch,
        status,
        None if result is None else as_json(result.final_output),
        None if error is None else type(error).__name__,
        None if error is None else documents.without_nul(words(error)),
        *_counts(result),
        repeatable=True,
    )
    if not rows[0]["finish_run_v1"] and not await _ended_so(execution, status):
        raise journal.ownership_lost()


async def pause(execution: "Execution", result: "SDKResult") -> None:
    """Save the state of a run that waits for decisions, and let go of the run.

    Raises:
        RunOwnershipLostError: The run has another owner.
    """
    from timestep.durable.execution import state_of

    journal = execution.journal
    rows = await journal.database.fetch(
        "select r.options, timestep.state_key_v1(r.run_id, r.session_id) as key"
        " from timestep.runs r where r.run_id = %s",
        journal.run_id,
        repeatable=True,
    )
    key = rows[0]["key"]
    options: Any = documents.load(rows[0]["options"])
    state = state_of(result)
    async with RunStateStore(execution.agents.of(execution.agent), key) as store:
        # what the segment was loaded from belongs to the run: this is a new version after it
        remember_saved(state._context, SavedVersion(store, key, 0))  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        version = await store.save(state)
    paused = await journal.database.fetch(
        _PAUSE,
        journal.run_id,
        journal.epoch,
        key,
        version,
        options.get("approval_seconds"),
        *_counts(result),
        repeatable=True,
    )
    if not paused[0]["pause_run_v1"]:
        raise journal.ownership_lost()


def _counts(result: "SDKResult | None") -> tuple[int, int, int, int, int]:
    if result is None:
        return 0, 0, 0, 0, 0
    usage = result.context_wrapper.usage
    return (
        len(result.raw_responses),
        usage.requests,
        usage.input_tokens,
        usage.output_tokens,
        usage.total_tokens,
    )


async def _ended_so(execution: "Execution", status: str) -> bool:
    """Return whether the end was written by the first of two equal statements."""
    rows = await execution.journal.database.fetch(
        "select from timestep.runs where run_id = %s and epoch = %s and status = %s",
        execution.journal.run_id,
        execution.journal.epoch,
        status,
        repeatable=True,
    )
    return bool(rows)
