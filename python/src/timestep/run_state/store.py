"""Saved run states: versions of a paused run, in PostgreSQL, that either language resumes."""

import hashlib
import logging
import uuid
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from agents import Agent, RunState

from timestep import documents
from timestep.database import Database, open_database
from timestep.errors import ConfigurationError, NotPortableError, RunStateNotFoundError
from timestep.run_state import native
from timestep.run_state.approvals import PendingApproval, pending_approvals
from timestep.run_state.claim import Claim, conflict
from timestep.run_state.from_envelope import from_envelope
from timestep.run_state.to_envelope import to_envelope

logger = logging.getLogger("timestep")

_BINDING = "_timestep_saved_version"


@dataclass(frozen=True)
class SavedVersion:
    """Which saved version a state in memory is, and who saved or loaded it."""

    store: "RunStateStore"
    session_id: str
    version: int
    claim: Claim | None = None


class RunStateStore:
    """Keeps the paused run of a session in PostgreSQL, for either language to resume.

    Loading only reads. Resuming (`run_agent` with a loaded state) claims the version first, so
    that of any number of processes one resumes it and the others get `StateConflictError`.

    Which PostgreSQL: `connection_string`, else `PG_CONNECTION_URI`, else the connection that DBOS
    was configured with, else libpq's `PGHOST` or `PGSERVICE`, else a server on `localhost:5432`,
    else a server of Timestep's own.

    Args:
        agent: The agent that the run started with; a saved run finds its agents and tools by
            name from here.
        session_id: The session whose run is kept (None: a new random id, see `session_id`).
        connection_string: The PostgreSQL to use, as a URI (None: found as above).
        context_serializer: Turns a run's context into a mapping, for contexts that are none.
        context_deserializer: The way back.

    Raises:
        ConfigurationError: The session id is empty.
    """

    def __init__(
        self,
        agent: Agent[Any],
        session_id: str | None = None,
        connection_string: str | None = None,
        *,
        context_serializer: Any = None,
        context_deserializer: Any = None,
    ) -> None:
        if session_id is not None and not session_id.strip():
            raise ConfigurationError(
                "The session id is empty: give a text, or leave it out for a new session."
            )
        self.agent = agent
        self.session_id = session_id or str(uuid.uuid4())
        self._connection_string = connection_string
        self._context_serializer = context_serializer
        self._context_deserializer = context_deserializer

    async def save(self, state: RunState[Any, Any]) -> int:
        """Save the state as the session's newest version and return the version (1, 2, …).

        The same state saved twice is one version. A state that the other language cannot
        continue is saved for this one, and the reason is logged.

        Raises:
            StateConflictError: Another process resumed or saved this run since the state was
                loaded; nothing was saved.
            ConfigurationError: The argument is no `RunState`.
            ValueError: The state holds something that JSON cannot say, such as NaN.
        """
        if not isinstance(state, RunState):
            raise ConfigurationError(
                f"save() takes a RunState, but got {type(state).__name__}: pass result.to_state()."
            )
        bound = _binding(state)
        if bound and bound.session_id != self.session_id:
            bound = None
        claim = bound.claim if bound and bound.claim and bound.claim.held else None
        expected = claim.version if claim else bound.version if bound else None
        version = await self._insert(state, expected=expected, claim=claim, keep=claim is not None)
        if claim:
            claim.version = version
        bind(state, SavedVersion(self, self.session_id, version, claim))
        return version

    async def load(self, *, version: int | None = None, context: Any = None) -> RunState[Any, Any]:
        """Return the saved state, ready to be decided on and passed to `run_agent`.

        This only reads: it may be done any number of times, by any process.

        Args:
            version: Which version (None: the newest, which must not have ended).
            context: The context object to resume with (None: the saved one).

        Raises:
            RunStateNotFoundError: Nothing is saved for the session, or its run has ended.
            AgentMismatchError: An agent or tool that the run needs is missing or changed.
            NotPortableError: The other language wrote it and this one cannot continue it.
        """
        database = await self._database()
        rows = await database.fetch(
            "select version, status, writer_language, native_schema_version,"
            " not_portable_reason, native from timestep.run_states where session_id = %s"
            " and version = coalesce(%s, (select max(version) from timestep.run_states"
            " where session_id = %s))",
            self.session_id,
            version,
            self.session_id,
            repeatable=True,
        )
        if not rows or (rows[0]["status"] == "done" and version is None):
            raise self._not_found(database, version, ended=bool(rows))
        row = rows[0]
        state = await (self._from_native if self._reads(row) else self._from_envelope)(row, context)
        bind(state, SavedVersion(self, self.session_id, row["version"]))
        return state

    async def clear(self) -> None:
        """Remove every saved version of the session, its approvals with them."""
        database = await self._database()
        await database.fetch(
            "delete from timestep.run_states where session_id = %s",
            self.session_id,
            repeatable=True,
        )

    async def close(self) -> None:
        """Let go of the database. The store may be used again and opens it anew."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def settle(self, state: RunState[Any, Any], claim: Claim) -> None:
        """Save the state in which a resumed run stopped, and let go of the claim."""
        claim.version = await self._insert(state, expected=claim.version, claim=claim, keep=False)
        claim.held = False
        bind(state, SavedVersion(self, self.session_id, claim.version))

    async def claim(self, saved: SavedVersion) -> Claim:
        """Claim the version for a run and note the decisions taken on it."""
        return await Claim.take(await self._database(), saved.session_id, saved.version)

    async def _insert(
        self, state: RunState[Any, Any], *, expected: int | None, claim: Claim | None, keep: bool
    ) -> int:
        blob = native.scrub(state.to_json(context_serializer=self._context_serializer))
        envelope, reason = self._portable(state, blob)
        text = documents.dump(blob)
        usage = state._context.usage
        approvals = pending_approvals(state)
        database = await self._database()
        rows = await database.fetch(
            f"select * from timestep.save_run_state_v1({', '.join(['%s'] * 26)})",
            self.session_id,
            expected,
            claim.token if claim else None,
            keep,
            native.run_status(blob),
            documents.without_nul(native.agent_name(blob)),
            native.turn(blob),
            usage.requests,
            usage.input_tokens,
            usage.output_tokens,
            usage.total_tokens,
            envelope,
            reason,
            text,
            "python",
            native.SDK_VERSION,
            native.schema_version(blob),
            hashlib.sha256(text.encode()).hexdigest(),
            *_columns(approvals),
            repeatable=True,
        )
        if rows[0]["conflict"]:
            raise conflict(self.session_id, expected, rows[0]["conflict"], "save")
        return rows[0]["version"]

    def _portable(
        self, state: RunState[Any, Any], blob: dict[str, Any]
    ) -> tuple[str | None, str | None]:
        try:
            envelope = to_envelope(state, blob, context_serializer=self._context_serializer)
        except NotPortableError as error:
            logger.warning(
                "session %s: saved for Python only, the other language cannot resume it: %s",
                self.session_id,
                error,
            )
            return None, documents.without_nul(str(error))
        return documents.dump(envelope), None

    def _reads(self, row: dict[str, Any]) -> bool:
        return row["writer_language"] == "python" and native.is_readable(
            row["native_schema_version"]
        )

    async def _database(self) -> Database:
        return await open_database(self._connection_string)

    def _not_found(
        self, database: Database, version: int | None, *, ended: bool
    ) -> RunStateNotFoundError:
        what = f"version {version} of the run" if version is not None else "run"
        found = "its last run has ended" if ended else "nothing is saved under this id"
        return RunStateNotFoundError(
            f"No saved {what} waits for session {self.session_id}: {found} in"
            f" {database.location.display}. Check the session id and the database."
        )
