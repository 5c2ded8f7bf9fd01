"""Sessions that a durable run reads once and adds to once, however often it is executed.

What a run adds to its session is numbered from 0, the input included. An addition that is made
again, after a crash or by the other language, meets its own numbers and adds nothing.
"""

from typing import Any, cast

from agents import SessionSettings, TResponseInputItem
from agents.memory import Session as SessionProtocol
from agents.memory.session_settings import resolve_session_limit

from timestep.database.resolve import configured
from timestep.durable.journal import Step
from timestep.durable.loop import Loop
from timestep.durable.sql import calling
from timestep.session import Session, item_columns, newest_items

_APPEND = calling("append_run_items_v1", 9)


def recorded_session(session: SessionProtocol, loop: Loop) -> SessionProtocol:
    """Return the session as an agent loop of a durable run uses it."""
    if isinstance(session, RecordedSession):
        return session
    kind = OwnSession if _is_own(session, loop) else ForeignSession
    return cast("SessionProtocol", kind(session, loop))


class RecordedSession:
    """A session of the SDK's protocol, in a durable run."""

    def __init__(self, session: SessionProtocol, loop: Loop) -> None:
        self.session = session
        self.loop = loop
        self.session_id = session.session_id
        self.session_settings: SessionSettings | None = session.session_settings
        self._history_was_read = loop.ordinal > 0

    async def get_items(self, limit: int | None = None) -> list[TResponseInputItem]:
        """Return the conversation; at first what it was when the run began."""
        if self._history_was_read:
            return await self.session.get_items(limit)
        self._history_was_read = True
        return await self._history(resolve_session_limit(limit, self.session_settings))

    async def add_items(self, items: list[TResponseInputItem]) -> None:
        """Add items, unless this run has added them before."""
        await self.loop.journal.settled()
        if items:
            await self._add(items)
            self.loop.added += len(items)

    async def pop_item(self) -> TResponseInputItem | None:
        """Remove the newest item and return it."""
        await self.loop.journal.settled()
        self.loop.added = max(0, self.loop.added - 1)
        return await self.session.pop_item()

    async def clear_session(self) -> None:
        """Remove every item."""
        await self.loop.journal.settled()
        await self.session.clear_session()

    async def _history(self, limit: int | None) -> list[TResponseInputItem]:
        raise NotImplementedError

    async def _add(self, items: list[TResponseInputItem]) -> None:
        raise NotImplementedError

    async def _recorded(self, key: str, body: dict[str, Any] | None) -> dict[str, Any] | None:
        """Return what is recorded under a key; with a body, record it."""
        loop = self.loop
        if body is not None:
            step = Step(key=key, kind="session", agent=loop.agent, name="session", body=body)
            loop.journal.record(step)
            await loop.journal.settled()
            return body
        step = loop.journal.rows.get(key)
        return step and step.body


class OwnSession(RecordedSession):
    """A session of Timestep in the run's own database."""

    async def _history(self, limit: int | None) -> list[TResponseInputItem]:
        key = f"s:{self.loop.path}:history"
        found = await self._recorded(key, None) or await self._recorded(
            key, {"through": await self._newest()}
        )
        through = cast("dict[str, Any]", found)["through"]
        database = self.loop.journal.database
        return await newest_items(database, self.session_id, limit=limit, through=through)

    async def _newest(self) -> int:
        rows = await self.loop.journal.database.fetch(
            "select coalesce(max(item_id), 0) as newest from timestep.session_items"
            " where session_id = %s",
            self.session_id,
            repeatable=True,
        )
        return rows[0]["newest"]

    async def _add(self, items: list[TResponseInputItem]) -> None:
        journal = self.loop.journal
        rows = await journal.database.fetch(
            _APPEND,
            journal.run_id,
            journal.epoch,
            self.session_id,
            self.loop.path,
            self.loop.added,
            *item_columns(items),
            repeatable=True,
        )
        if not rows[0]["append_run_items_v1"]:
            raise journal.ownership_lost()


class ForeignSession(RecordedSession):
    """A session of another kind: read once, and additions noted when they were made."""

    async def _history(self, limit: int | None) -> list[TResponseInputItem]:
        key = f"s:{self.loop.path}:history"
        found = await self._recorded(key, None) or await self._recorded(
            key, {"items": list(await self.session.get_items(limit))}
        )
        return cast("dict[str, Any]", found)["items"]

    async def _add(self, items: list[TResponseInputItem]) -> None:
        key = f"s:{self.loop.path}:{self.loop.added}"
        if await self._recorded(key, None) is None:
            await self.session.add_items(items)
            await self._recorded(key, {})


def _is_own(session: SessionProtocol, loop: Loop) -> bool:
    if not isinstance(session, Session):
        return False
    given = session._connection_string  # noqa: SLF001 - the same package  # pyright: ignore[reportPrivateUsage]
    choice = None if given is None else configured(given)
    return choice is None or choice.address.url == loop.journal.database.location.url
