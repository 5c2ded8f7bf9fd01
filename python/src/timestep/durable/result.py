"""What a durable run came to."""

import asyncio
import dataclasses
from dataclasses import dataclass, field
from typing import Any, cast

from agents import Agent, AgentOutputSchemaBase, RunState, ToolApprovalItem, Usage
from pydantic import TypeAdapter, ValidationError

from timestep import documents
from timestep.database import Database
from timestep.durable.failure import failure
from timestep.durable.registry import import_agent, registered_agent
from timestep.errors import AgentMismatchError, ConfigurationError
from timestep.run_state.store import RunStateStore

_POLL_SECONDS = (0.02, 0.5)  # the first pause between two looks, and the longest
_ENDED = ("interrupted", "completed", "failed", "cancelled")


@dataclass(frozen=True, kw_only=True)
class WorkflowResult:
    """How a durable run stands, now that it has paused or ended.

    Attributes:
        run_id: The run, for `get_run`, `resume_run` and the command line.
        status: "completed", "interrupted" (it waits for decisions) or "cancelled".
        final_output: What the agent answered; an object of its output type, if it has one. None
            unless completed.
        interruptions: The calls that wait for a decision.
        usage: Requests and tokens of the whole run.
    """

    run_id: str
    status: str
    final_output: Any = None
    interruptions: list[ToolApprovalItem] = field(default_factory=list[ToolApprovalItem])
    usage: Usage = field(default_factory=Usage)
    state: RunState[Any, Any] | None = field(default=None, repr=False)

    @property
    def output(self) -> Any:
        """The same as `final_output`."""
        return self.final_output

    def to_state(self) -> RunState[Any, Any]:
        """Return the saved state of a paused run, to be decided on and passed on as input.

        Raises:
            ConfigurationError: The run is not paused.
        """
        if self.state is None:
            raise ConfigurationError(
                f"Run {self.run_id} is {self.status}: only a paused run has a state to resume."
            )
        return self.state


async def result_of(database: Database, run_id: str, agent: Agent[Any] | None) -> WorkflowResult:
    """Wait until a run has paused or ended, and return what it came to.

    Raises:
        Exception: What the run failed with, see `failure`.
        ConfigurationError: There is no such run.
    """
    row = await _when_ended(database, run_id)
    if row["status"] == "failed":
        raise failure(row, agent or await _agent(row))
    usage = Usage(
        requests=row["requests"],
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        total_tokens=row["total_tokens"],
    )
    result = WorkflowResult(run_id=run_id, status=row["status"], usage=usage)
    if row["status"] == "completed":
        agent = agent or await _agent(row)
        return dataclasses.replace(result, final_output=_output(row["output"], agent))
    if row["status"] == "interrupted":
        return await _with_state(result, row, agent or await _agent(row))
    return result


async def _when_ended(database: Database, run_id: str) -> dict[str, Any]:
    pause, longest = _POLL_SECONDS
    while True:
        rows = await database.fetch(
            "select r.*, a.module from timestep.runs r left join timestep.agents a"
            " on a.name = r.agent and a.language = 'python' where r.run_id = %s",
            run_id,
            repeatable=True,
        )
        if not rows:
            raise ConfigurationError(f"There is no run {run_id!r} in {database.location.display}.")
        if rows[0]["status"] in _ENDED:
            return rows[0]
        await asyncio.sleep(pause)
        pause = min(longest, pause * 1.5)


async def _agent(row: dict[str, Any]) -> Agent[Any] | None:
    import_agent(row["agent"], row["module"])
    try:
        return registered_agent(row["agent"])
    except AgentMismatchError:
        return None


async def _with_state(
    result: WorkflowResult, row: dict[str, Any], agent: Agent[Any] | None
) -> WorkflowResult:
    if agent is None:
        return result  # without its agent a state cannot be made; list_approvals() needs none
    async with RunStateStore(agent, row["state_session_id"]) as store:
        state = await store.load(version=row["state_version"])
    return dataclasses.replace(result, state=state, interruptions=list(state.get_interruptions()))


def _output(text: str | None, agent: Agent[Any] | None) -> Any:
    value = None if text is None else documents.load(text)
    kind: Any = agent.output_type if agent else None
    if kind is None or isinstance(kind, AgentOutputSchemaBase):
        return value
    try:
        return cast("Any", TypeAdapter(kind)).validate_python(value)
    except ValidationError:
        return value  # a run that ended at another agent than it began with
