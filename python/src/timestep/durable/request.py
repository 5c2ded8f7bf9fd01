"""A durable run to be made: what was asked for, checked, and in the form in which it is kept."""

import hashlib
import uuid
from dataclasses import dataclass
from typing import Any, TypedDict, cast

from agents import Agent, RunConfig, RunHooks, TResponseInputItem
from agents.memory import Session as SessionProtocol

from timestep import documents
from timestep.errors import ConfigurationError, NotDurableError
from timestep.run_state.items import wire_items
from timestep.run_state.text import encode
from timestep.session import Session

_DEFAULT_MAX_TURNS = 10
_LONGEST_ID = 500


class QueuedOptions(TypedDict, total=False):
    """What a run that any process may execute takes beside its input.

    Attributes:
        context: For the tools: a mapping that JSON can hold, kept for later executions.
        max_turns: As for `Runner.run`.
        previous_response_id: As for `Runner.run`.
        conversation_id: As for `Runner.run`.
        approval_seconds: After how many seconds a decision that nobody took is a rejection
            (never).
    """

    context: dict[str, Any] | None
    max_turns: int | None
    previous_response_id: str | None
    conversation_id: str | None
    approval_seconds: float | None


class DurableOptions(QueuedOptions, total=False):
    """What a durable run of this process takes besides.

    Attributes:
        hooks: As for `Runner.run`; a later execution in another process uses those given to
            `configure_dbos`.
        run_config: The same.
        error_handlers: As for `Runner.run`.
    """

    hooks: RunHooks[Any] | None
    run_config: RunConfig | dict[str, Any] | None
    error_handlers: Any


@dataclass(frozen=True, kw_only=True)
class Request:
    """A run to be made, checked."""

    run_id: str
    agent: Agent[Any]
    session: Session | None
    input: str
    input_sha256: str
    options: str
    timeout_seconds: float | None
    queue_name: str | None = None
    schedule: str | None = None
    language: str = "python"


def requested(
    agent: Agent[Any],
    input_items: str | list[TResponseInputItem],
    session: SessionProtocol | None,
    *,
    workflow_id: str | None,
    timeout_seconds: float | None,
    options: DurableOptions,
    queue_name: str | None = None,
    schedule: str | None = None,
    language: str = "python",
) -> Request:
    """Return a run to be made.

    Raises:
        ConfigurationError: A value cannot be used.
        NotDurableError: The context cannot be kept.
    """
    if timeout_seconds is not None and timeout_seconds <= 0:
        raise ConfigurationError(f"timeout_seconds is {timeout_seconds}; expected more than 0.")
    wire = _checked_input(input_items)
    return Request(
        run_id=str(uuid.uuid4()) if workflow_id is None else _checked_id(workflow_id),
        agent=agent,
        session=cast("Session | None", session),
        input=documents.dump(wire),
        input_sha256=hashlib.sha256(encode(wire).encode()).hexdigest(),
        options=_stored(options),
        timeout_seconds=timeout_seconds,
        queue_name=queue_name,
        schedule=schedule,
        language=language,
    )


def check_options(options: object, kind: type[Any]) -> None:
    """Refuse names that a function does not take, as Python does where it can.

    Raises:
        TypeError: There is such a name.
    """
    names = kind.__annotations__
    for name in set(cast("dict[str, Any]", options)) - set(names):
        raise TypeError(f"There is no option {name!r}; there are {', '.join(names)}.")


def _checked_id(workflow_id: object) -> str:
    if isinstance(workflow_id, str) and workflow_id.strip() and "\0" not in workflow_id:
        if len(workflow_id) <= _LONGEST_ID:
            return workflow_id
        workflow_id = f"{workflow_id[:20]}…"
    raise ConfigurationError(
        f"workflow_id is {workflow_id!r}; expected a text of 1 to {_LONGEST_ID} characters that is"
        " not blank and has no NUL, or nothing for a new id."
    )


def _checked_input(given: object) -> str | list[Any]:
    if isinstance(given, str):
        return given
    items = cast("list[Any]", given if isinstance(given, list) else [None])
    if all(isinstance(item, dict) for item in items):
        return wire_items(items)
    raise ConfigurationError(
        f"input_items is {given!r:.80}; expected a text, a list of items of the Responses API, or"
        " the state of a paused run."
    )


def _stored(options: DurableOptions) -> str:
    names = ("context", "conversation_id", "previous_response_id", "approval_seconds")
    given = cast("dict[str, Any]", options)
    kept = {name: given[name] for name in names if given.get(name) is not None}
    kept["max_turns"] = given.get("max_turns", _DEFAULT_MAX_TURNS)
    if not isinstance(kept.get("context", {}), dict):
        raise NotDurableError(
            f"The context is a {type(kept['context']).__name__}, which a later execution could not"
            " have: a durable run takes a mapping that JSON can hold."
        )
    try:
        return documents.dump(kept)
    except ValueError as error:
        raise NotDurableError(
            f"The context cannot be kept for a later execution: {error}"
        ) from None
