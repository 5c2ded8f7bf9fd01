"""What is read back about durable runs: their rows, as objects."""

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar, cast

from timestep import documents

_JSON = ("input", "options", "output")  # fields that are columns of JSON text

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """How a durable run stands.

    Attributes:
        run_id: The run, which is its `workflow_id`.
        agent: The name of the agent that it began with.
        session_id: Its conversation (None: none).
        status: "pending", "running", "interrupted" (it waits for decisions), "completed",
            "failed" or "cancelled".
        language: "python" or "typescript": which executed it last, or is to execute it.
        segment: How often it went on after a pause.
        epoch: How often it was taken up by a process.
        input: A text or Responses API items.
        options: What it was started with, such as `max_turns` and `context`.
        output: What the agent answered (None unless completed).
        error_type: The class of what ended it (None unless failed).
        error: What ended it in words, or why it was cancelled (None otherwise).
        queue_name: The queue that it was put in (None: none).
        schedule: The schedule that started it (None: none).
        turns: Model calls of its agent loop, counted when it pauses or ends.
        requests: Model calls, those of agents as tools included, counted at the same time.
        input_tokens: Tokens read by models, counted at the same time.
        output_tokens: Tokens written by models, counted at the same time.
        total_tokens: The sum of both.
        created_at: When it was asked for (UTC, as all times).
        started_at: When it was first executed (None: not yet).
        updated_at: When it last changed its status or its process.
        finished_at: When it ended (None: it has not).
        deadline_at: When its time limit is over (None: no limit, or it is paused).
    """

    run_id: str
    agent: str
    session_id: str | None
    status: str
    language: str
    segment: int
    epoch: int
    input: str | list[dict[str, Any]]
    options: dict[str, Any]
    output: Any
    error_type: str | None
    error: str | None
    queue_name: str | None
    schedule: str | None
    turns: int
    requests: int
    input_tokens: int
    output_tokens: int
    total_tokens: int
    created_at: datetime
    started_at: datetime | None
    updated_at: datetime
    finished_at: datetime | None
    deadline_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """A model call or a tool call of a durable run.

    Attributes:
        key: Its name in the run, such as `m::0` for the first model call and `t:/<call id>`.
        kind: "model" or "tool".
        status: "done"; of a tool that runs at most once also "started", and "unknown" where it is
            not known whether the call took effect.
        agent: The agent that called.
        name: The model or the tool.
        call_id: The id of the tool call (None: a model call).
        arguments: What the tool was called with, as text (None: a model call).
        output: The items of the model's answer, or what the model was told of a tool call: a text
            or content parts (None: it has not ended).
        input_tokens: Tokens that the model read (None: a tool call, or not told).
        output_tokens: Tokens that the model wrote (the same).
        total_tokens: The sum of both (the same).
        cost: What the model call cost in US dollars (None: a tool call, or no known price).
        language: "python" or "typescript": which made the call.
        segment: How often the run had gone on after a pause.
        started_at: When the call was made (None: not told).
        finished_at: When it ended (None: it has not).
    """

    key: str
    kind: str
    status: str
    agent: str
    name: str
    call_id: str | None
    arguments: str | None
    output: str | list[dict[str, Any]] | None
    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int | None
    cost: Decimal | None
    language: str
    segment: int
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ApprovalRecord:
    """A call that a durable run waits for, or waited for.

    Attributes:
        approval_id: For `decide_approval`.
        run_id: The run.
        session_id: The session in which the run's state is saved.
        agent: The agent that calls.
        tool: What is to be called.
        call_id: The id of the call (None: the model gave none).
        arguments: The arguments as the model wrote them, as text.
        arguments_used: What a person put in their place, as text (None: nothing).
        status: "pending", "approved", "rejected" or "expired".
        reason: None: the tool wants an approval. "outcome_unknown": the process that made the call
            ended while the call was running; approving makes it again.
        message: What the model is told after a rejection (None: the SDK's words).
        always: Whether the decision counts for further calls of the tool in this run.
        decided_by: Who decided (None: nobody yet, or not told).
        created_at: Since when it waits.
        decided_at: When it was decided on (None: not yet).
        expires_at: When it becomes a rejection (None: never).
    """

    approval_id: str
    run_id: str
    session_id: str
    agent: str
    tool: str
    call_id: str | None
    arguments: str
    arguments_used: str | None
    status: str
    reason: str | None
    message: str | None
    always: bool
    decided_by: str | None
    created_at: datetime
    decided_at: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ScheduleRecord:
    """A schedule of durable runs.

    Attributes:
        name: Its name.
        language: "python" or "typescript": whose processes start its runs.
        crontab: When they start.
        timezone: Where the crontab's times are (None: UTC).
        agent: The name of the agent.
        session_id: The conversation of every run (None: none).
        input: A text or Responses API items.
        options: What every run is started with.
        queue_name: The queue that the runs wait in.
        created_at: When it was first made.
        updated_at: When it was last replaced.
    """

    name: str
    language: str
    crontab: str
    timezone: str | None
    agent: str
    session_id: str | None
    input: str | list[dict[str, Any]]
    options: dict[str, Any]
    queue_name: str
    created_at: datetime
    updated_at: datetime


def columns(kind: type[Any], *, instead: dict[str, str] | None = None) -> str:
    """Return what to select for a record: its fields, or an expression instead of one."""
    given = instead or {}
    names = [field.name for field in dataclasses.fields(kind)]
    return ", ".join(f"{given[name]} as {name}" if name in given else name for name in names)


def record(kind: type[T], row: dict[str, Any]) -> T:
    """Return a row as an object, times in UTC and JSON parsed."""
    return kind(**{name: _value(name, value) for name, value in row.items()})


def _value(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if name in _JSON and isinstance(value, str):
        return cast("Any", documents.load(value))
    return value
