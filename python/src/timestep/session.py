"""The conversation history of a session, in PostgreSQL, shared by both languages.

An item is stored as the Responses API takes it. Every append carries a key, so that one that is
sent twice (after a lost answer) is stored once. While a saved run is being resumed, appends carry
its claim too: if the process dies and another resumes the same version, what the dead one had
written is removed, and if it was only slow, it can write no more.
"""

import uuid
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

from agents import SessionSettings, TResponseInputItem
from agents.memory.session_settings import resolve_session_limit

from timestep import documents
from timestep.database import Database, open_database
from timestep.errors import ConfigurationError, StateConflictError
from timestep.run_state.items import portable_item

_claim_token: ContextVar[str | None] = ContextVar("timestep_claim_token", default=None)


@contextmanager
def writing_under_claim(token: str) -> Generator[None]:
    """Mark what this context appends to sessions as written under the claim."""
    before = _claim_token.set(token)
    try:
        yield
    finally:
        _claim_token.reset(before)


class Session:
    """A conversation in PostgreSQL that Python and TypeScript both read and write.

    It follows the session protocol of the Agents SDK and goes wherever that is taken.

    Args:
        session_id: The conversation to continue, or a new one with a random id (None).
        connection_string: The PostgreSQL to use, as a URI. By default the database is found as
            described for `RunStateStore` (None).
        session_settings: The SDK's settings, such as how many items a run reads (None: all).

    Raises:
        ConfigurationError: The session id is empty.
    """

    def __init__(
        self,
        session_id: str | None = None,
        *,
        connection_string: str | None = None,
        session_settings: SessionSettings | None = None,
    ) -> None:
        if session_id is not None and not session_id.strip():
            raise ConfigurationError(
                "The session id is empty: give a text, or leave it out for a new session."
            )
        self.session_id = session_id or str(uuid.uuid4())
        self._was_named = session_id is not None
        self._was_used = False
        self.session_settings = session_settings
        self._connection_string = connection_string
        self._database: Database | None = None

    async def _get_session_id(self) -> str:
        """Return the session's id, as the SDK's own hosted session does."""
        return self.session_id

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return the conversation, oldest first.

        Args:
            limit: How many of the newest items to return (None: what the session settings say,
                and all without them).
        """
        database = await self._open()
        newest = resolve_session_limit(limit, self.session_settings)
        return await newest_items(database, self.session_id, limit=newest)

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Append items to the conversation, all or none.

        Raises:
            StateConflictError: The run that writes was taken over by another process.
        """
        if not items:
            return
        database = await self._open()
        rows = await database.fetch(
            "select timestep.append_session_items_v1(%s, %s, %s, %s, %s, %s, %s) as written",
            self.session_id,
            str(uuid.uuid4()),
            _claim_token.get(),
            *item_columns(items),
            repeatable=True,
        )
        if not rows[0]["written"]:
            raise StateConflictError(
                f"Session {self.session_id}: the run that writes here was taken over by another"
                " process, so nothing was written. Stop this run; the other one continues it."
            )

    async def pop_item(self) -> TResponseInputItem | None:
        """Remove the newest item and return it; None when the session is empty."""
        database = await self._open()
        rows = await database.fetch(
            "select document from timestep.pop_session_item_v1(%s) as document", self.session_id
        )
        return _read(rows[0]["document"]) if rows else None

    async def clear_session(self) -> None:
        """Remove every item. Saved run states of the session stay."""
        database = await self._open()
        await database.fetch(
            "delete from timestep.session_items where session_id = %s",
            self.session_id,
            repeatable=True,
        )

    def _become(self, session_id: str) -> bool:
        """Continue another conversation if this is a new one that nothing has used yet."""
        if self._was_named or self._was_used:
            return False
        self.session_id, self._was_used = session_id, True
        return True

    async def _open(self) -> Database:
        self._was_used = True
        if self._database is None:
            self._database = await open_database(self._connection_string)
        return self._database


async def newest_items(
    database: Database, session_id: str, *, limit: int | None, through: int | None = None
) -> list[TResponseInputItem]:
    """Return the newest items of a conversation, oldest first.

    Args:
        database: Where it lies.
        session_id: The conversation.
        limit: How many (None: all).
        through: The `item_id` of the last one (None: the newest).
    """
    rows = await database.fetch(
        "select document from (select item_id, document from timestep.session_items"
        " where session_id = %s and item_id <= coalesce(%s, item_id)"
        " order by item_id desc limit %s) newest order by item_id",
        session_id,
        through,
        limit,
        repeatable=True,
    )
    return [_read(row["document"]) for row in rows]


def item_columns(items: list[TResponseInputItem]) -> tuple[list[str | None], ...]:
    """Return items as the parallel arrays that the SQL functions take."""
    wires = [portable_item(cast("dict[str, Any]", item)) for item in items]
    return (
        [documents.dump(wire) for wire in wires],
        [_column(wire.get("type")) or "message" for wire in wires],
        [_column(wire.get("role")) for wire in wires],
        [_column(wire.get("call_id")) for wire in wires],
    )


def _read(document: str) -> TResponseInputItem:
    return cast("TResponseInputItem", documents.load(document))


def _column(value: object) -> str | None:
    return documents.without_nul(value) if isinstance(value, str) else None
