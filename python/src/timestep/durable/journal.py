"""The journal of one run as one execution reads and writes it.

- Who decides: PostgreSQL. A row is written only under the run's present epoch; a write that finds
  another one means that the run has another owner, and this execution stops.
- What time means: a row is written when its call has ended. A call without a row is made again.
- On failure: a write that got no answer is sent once more; the same row twice is one row.

What a tool returned is written while the agent loop goes on to ask the model, and what a model
answered may be written while the SDK reads it. Whatever the run does with it waits: no call of a
tool, no handoff, no item of a session and no end is ever ahead of the rows before it.
"""

import asyncio
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import psycopg

from timestep import documents
from timestep.database import Database
from timestep.durable.journal_writer import JournalWriter
from timestep.durable.sql import calling
from timestep.errors import DatabaseUnavailableError, NotDurableError, RunOwnershipLostError
from timestep.models.cost import Price

_BEGIN = calling("begin_step_v2", 9)
_UNKNOWN = (DatabaseUnavailableError, psycopg.OperationalError)  # it may have taken effect


@dataclass(frozen=True, kw_only=True)
class Step:
    """One row of the journal."""

    key: str
    kind: str
    agent: str
    name: str
    status: str = "done"
    call_id: str | None = None
    arguments: str | None = None
    body: dict[str, Any] | None = None
    tokens: tuple[int | None, int | None, int | None] = (None, None, None)
    cost: Callable[[], Price] | None = None
    language: str = "python"
    segment: int = 0


def model_key(path: str, ordinal: int) -> str:
    """Return the key of a model call: the path of its agent loop and its number there."""
    return f"m:{path}:{ordinal}"


def tool_key(path: str, call_id: str) -> str:
    """Return the key of a tool call."""
    return f"t:{tool_path(path, call_id)}"


def tool_path(path: str, call_id: str) -> str:
    """Return the path of agent loops that run inside a tool call."""
    quoted = quote(call_id, safe=_UNQUOTED).replace("~", "%7E")
    return f"{path}/{quoted}"


# of what quote() would quote these stay as they are; it never quotes "~", which counts loops here
_UNQUOTED = "".join(chr(c) for c in range(32, 127) if chr(c) not in "%/:~")


@dataclass
class Journal:
    """What a run has done, as far as it is recorded, and the right to record more.

    Attributes:
        rows: What was recorded before this execution, by key.
        lost: Whether this execution may do nothing more.
        refusal: Why the run cannot go on: tools turn what is raised inside them into text.
    """

    database: Database
    run_id: str
    epoch: int
    writer: JournalWriter
    rows: dict[str, Step] = field(default_factory=dict[str, Step])
    lost: bool = False
    refusal: NotDurableError | None = None
    _asked: set[str] = field(default_factory=set[str])
    _unsettled: list[asyncio.Future[bool]] = field(default_factory=list[asyncio.Future[bool]])

    async def read(self) -> None:
        """Read what was recorded before this execution."""
        found = await self.database.fetch(
            "select key, kind, status, agent, name, call_id, body, language, segment"
            " from timestep.steps where run_id = %s",
            self.run_id,
            repeatable=True,
        )
        self.rows = {row["key"]: _step(row) for row in found}

    def answer(self, key: str, *, agent: str, name: str, call_id: str | None = None) -> Step | None:
        """Return the recorded step of a call, or None if it is to be made.

        Raises:
            NotDurableError: The recorded step belongs to another call, or this execution has
                asked for the key before: its answer would be that of another call.
        """
        if self.lost:
            raise self.ownership_lost()
        if key in self._asked:
            raise self.refuse(
                f"Run {self.run_id}: two calls have the key {key!r} (now {name!r} of agent"
                f" {agent!r}). A model must give every tool call an id of its own."
            )
        self._asked.add(key)
        step = self.rows.get(key)
        if step is None:
            return None
        asked = (agent, name, call_id) if step.kind == "tool" else (agent, None, None)
        found = (
            (step.agent, step.name, step.call_id)
            if step.kind == "tool"
            else (step.agent, None, None)
        )
        if asked != found:
            raise self.refuse(
                f"Run {self.run_id}: the step {key!r} is recorded for {found[1] or 'a model call'}"
                f" of agent {found[0]!r}, but {asked[1] or 'a model call'} of agent {asked[0]!r}"
                " asks for it. The agent was changed while the run was under way; cancel the run"
                " and start it anew."
            )
        return step

    def forget_question(self, key: str) -> None:
        """Allow the key to be asked for again: its call failed, or waits for a decision."""
        self._asked.discard(key)

    async def begin(self, step: Step, *, again: bool = False) -> bool:
        """Note that a call is about to be made; False if it had been begun before.

        Args:
            step: The call.
            again: A person allowed the call anew: one that an earlier segment had begun begins
                again (False).

        Raises:
            RunOwnershipLostError: The run has another owner.
        """
        await self.settled()
        rows = await self._write(
            _BEGIN,
            self.run_id,
            self.epoch,
            step.key,
            _column(step.agent),
            _column(step.name),
            _column(step.call_id),
            _column(step.arguments),
            "python",
            again,
        )
        if rows[0]["begin_step_v2"] == "lost":
            raise self.ownership_lost()
        return rows[0]["begin_step_v2"] == "started"

    def close_unknown(self, step: Step, told: str) -> None:
        """End a call that was begun, and of which nobody knows whether it took effect."""
        self.record(dataclasses.replace(step, status="unknown", body={"output": told}))

    def record(self, step: Step, started_at: datetime | None = None) -> None:
        """Leave a step that has ended to be written, after those before it; see `settled`.

        Raises:
            RunOwnershipLostError: The run has another owner, as far as is known.
        """
        if self.lost:
            raise self.ownership_lost()
        if self.refusal:
            raise self.refusal
        before = self._unsettled[-1] if self._unsettled else None
        written = self.writer.write(lambda: self._row(step, started_at), after=before)
        written.add_done_callback(self._note)
        self._unsettled.append(written)

    async def settled(self) -> None:
        """Wait until everything that was left to be written is written.

        Raises:
            RunOwnershipLostError: The run has another owner.
            DatabaseUnavailableError: It could not be written. This execution is over; the run goes
                on from what is written.
        """
        for written in tuple(self._unsettled):
            if not await asyncio.shield(written):
                raise self.ownership_lost()

    async def quiet(self) -> None:
        """Wait until nothing is being written any more, whatever came of it."""
        if self._unsettled:
            await asyncio.wait(self._unsettled)

    def _note(self, written: asyncio.Future[bool]) -> None:
        """Forget a step that is written; let nothing follow one of which that is not known."""
        if written.cancelled() or isinstance(written.exception(), _UNKNOWN):
            self.lost = True
        elif written.exception() is None and written.result():
            self._unsettled.remove(written)
        elif written.exception() is None:
            self.lost = True

    def _row(self, step: Step, started_at: datetime | None) -> tuple[object, ...]:
        cost = step.cost and step.cost()
        return (
            self.run_id,
            self.epoch,
            step.key,
            step.kind,
            step.status,
            _column(step.agent),
            _column(step.name),
            _column(step.call_id),
            _column(step.arguments),
            documents.dump(step.body),
            *step.tokens,
            "python",
            started_at,
            cost and cost.amount,
            cost and cost.table,
        )

    async def _write(
        self, statement: str, *values: object, **options: bool
    ) -> list[dict[str, Any]]:
        try:
            return await self.database.fetch(statement, *values, **options)
        except _UNKNOWN:
            # whether it was written is not known, so nothing may follow it here
            self.lost = True
            raise

    def ownership_lost(self) -> RunOwnershipLostError:
        """Return the error for an execution that has to stop, and let nothing else happen in it."""
        self.lost = True
        return RunOwnershipLostError(
            f"Run {self.run_id}: another process executes it now, or it was ended (this execution"
            f" had epoch {self.epoch}). This execution stops; get_run() tells where the run stands."
        )

    def refuse(self, reason: str) -> NotDurableError:
        """Return the error for a run that cannot go on, and keep it."""
        self.refusal = self.refusal or NotDurableError(reason)
        return self.refusal

    def models_inside(self, path: str) -> list[Step]:
        """Return the recorded model calls of all loops inside a tool call, in their order."""
        inside = tuple(f"m:{path}{end}" for end in (":", "/", "~"))
        found = [step for key, step in self.rows.items() if key.startswith(inside)]
        return sorted(found, key=lambda step: (step.segment, *place_of(step.key)))


def place_of(key: str) -> tuple[str, int]:
    """Return the path of a model call's loop and its number there."""
    _, path, ordinal = key.split(":")
    return path, int(ordinal)


def now() -> datetime:
    """Return the time for the column `started_at`."""
    return datetime.now(UTC)


def _step(row: dict[str, Any]) -> Step:
    body: Any = None if row["body"] is None else documents.load(row["body"])
    fields: dict[str, Any] = {**row, "body": body}
    return Step(**fields)


def _column(text: str | None) -> str | None:
    return None if text is None else documents.without_nul(text)
