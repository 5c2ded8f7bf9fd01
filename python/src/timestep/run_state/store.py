"""Saved run states: versions of a paused run, in PostgreSQL, that either language resumes."""

# A state has no public way to its context wrapper.
# pyright: reportPrivateUsage=false

import hashlib
import logging
import uuid
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self, cast

from agents import Agent, RunContextWrapper, RunState

from timestep import documents
from timestep.database import Database, open_database
from timestep.errors import ConfigurationError, NotPortableError, RunStateNotFoundError
from timestep.run_state import native, record
from timestep.run_state.approvals import PendingApproval, pending_approvals
from timestep.run_state.claim import Claim, conflict
from timestep.run_state.from_envelope import from_envelope
from timestep.run_state.native_identity import check_native_agents
from timestep.run_state.to_envelope import to_envelope

logger = logging.getLogger("timestep")

_BINDING = "_timestep_saved_version"
_SAVE = f"select * from timestep.save_run_state_v1(%s{', %s' * 25})"  # noqa: S608 - nothing but placeholders


@dataclass(frozen=True)
class SavedVersion:
    """Which saved version a state in memory is, and who saved or loaded it.

    It is kept on the state's context wrapper, which the SDK hands on from a state to the run that
    resumes it, to the result, and to every state made from that.
    """

    store: "RunStateStore"
    session_id: str
    version: int
    claim: Claim | None = None
    envelope: record.Envelope | None = None  # what it was loaded from: unknown fields are kept

    def expected(self) -> tuple[int | None, str | None]:
        """Return the version that a save continues (None: a new run), and the claim's token."""
        if self.claim is None or self.claim.is_lost:
            return self.version or None, None
        return self.claim.version, self.claim.token if self.claim.held else None


def saved_version(state: RunState[Any, Any]) -> SavedVersion | None:
    """Return the saved version that a state in memory is; None if it was never saved or loaded."""
    return getattr(state._context, _BINDING, None)


def remember_saved(wrapper: object, saved: SavedVersion) -> None:
    """Note on a run's context wrapper which saved version it continues."""
    setattr(wrapper, _BINDING, saved)


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
        self._database: Database | None = None
        self._context_serializer = context_serializer
        self._context_deserializer = context_deserializer

    async def save(self, state: RunState[Any, Any]) -> int:
        """Save the state as the session's newest version and return the version (1, 2, …).

        The same state saved twice is one version. A state that the other language cannot
        continue is saved for this one, and the reason is logged: so is one whose context is no
        mapping; an object that the SDK has no form for is left out, unless there is a
        `context_serializer`.

        Raises:
            StateConflictError: Another process resumed or saved this run since the state was
                loaded; nothing was saved.
            ConfigurationError: The argument is no `RunState`.
            ValueError: The state holds something that JSON cannot say, such as NaN.
        """
        if not isinstance(cast("object", state), RunState):
            raise ConfigurationError(
                f"save() takes a RunState, but got {type(state).__name__}: pass result.to_state()."
            )
        saved = saved_version(state)
        if saved is None or saved.session_id != self.session_id:
            saved = SavedVersion(self, self.session_id, version=0)
        version = await self._insert(state, saved, keep=True)
        remember_saved(state._context, replace(saved, store=self, version=version))
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
            ConfigurationError: The saved context had to be left out and none is given.
        """
        database = await self._open()
        row = await self._row(database, version)
        if row is None or (row["status"] == "done" and version is None):
            raise self._not_found(database, version, ended=row is not None)
        saved = SavedVersion(self, self.session_id, row["version"])
        if row["is_native"]:
            state = await self._from_native(row["document"], context)
        else:
            envelope = self._envelope(row)
            saved = replace(saved, envelope=envelope)
            state = await from_envelope(
                envelope,
                self.agent,
                context_override=context,
                context_deserializer=self._context_deserializer,
            )
        remember_saved(state._context, saved)
        return state

    async def clear(self) -> None:
        """Remove every saved version of the session, its approvals with them."""
        database = await self._open()
        await database.fetch(
            "delete from timestep.run_states where session_id = %s",
            self.session_id,
            repeatable=True,
        )

    async def close(self) -> None:
        """Let go of the database. The store may be used again and opens it anew."""
        if self._database is not None:
            database, self._database = self._database, None
            await database.close()

    async def __aenter__(self) -> Self:
        """Return the store, to be closed at the end of the block."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the store."""
        await self.close()

    async def claim(self, saved: SavedVersion, state: RunState[Any, Any]) -> SavedVersion:
        """Claim the version that the state is and note the decisions taken on it.

        Raises:
            StateConflictError: It cannot be resumed (any more).
        """
        database = await self._open()
        claim = await Claim.take(database, saved.session_id, saved.version)
        decided = [(i, a) for i, a in enumerate(pending_approvals(state), start=1) if a.decision]
        await database.fetch(
            "select timestep.record_decisions_v1(%s, %s, %s, %s, %s)",
            saved.session_id,
            saved.version,
            [position for position, _ in decided],
            [approval.decision for _, approval in decided],
            [
                approval.message and documents.without_nul(approval.message)
                for _, approval in decided
            ],
            repeatable=True,
        )
        claimed = replace(saved, claim=claim)
        remember_saved(state._context, claimed)
        return claimed

    async def settle(self, state: RunState[Any, Any], saved: SavedVersion) -> None:
        """Let go of the claim when the run has stopped; save the state unless it has ended."""
        claim = cast("Claim", saved.claim)
        blob = self._blob(state)
        if native.run_status(blob) == "terminal":
            await claim.end()
            return
        await self._insert(state, saved, keep=False, blob=blob)
        claim.held = False

    async def _insert(
        self,
        state: RunState[Any, Any],
        saved: SavedVersion,
        *,
        keep: bool,
        blob: dict[str, Any] | None = None,
    ) -> int:
        blob = blob or self._blob(state)
        envelope, reason = self._portable(state, blob, saved.envelope)
        text = documents.dump(blob)
        expected, token = saved.expected()
        usage = cast("RunContextWrapper[Any]", state._context).usage
        database = await self._open()
        rows = await database.fetch(
            _SAVE,
            self.session_id,
            expected,
            token,
            keep and token is not None,
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
            *_columns(pending_approvals(state)),
            repeatable=True,
        )
        if rows[0]["conflict"]:
            raise conflict(self.session_id, expected, rows[0]["conflict"], "save")
        version = rows[0]["version"]
        if token is not None:
            cast("Claim", saved.claim).version = version
        return version

    def _blob(self, state: RunState[Any, Any]) -> dict[str, Any]:
        return native.scrub(state.to_json(context_serializer=self._context_serializer))

    def _portable(
        self, state: RunState[Any, Any], blob: dict[str, Any], previous: record.Envelope | None
    ) -> tuple[str | None, str | None]:
        """Return the document for both languages, or else the reason why there is none."""
        try:
            envelope = to_envelope(
                state, blob, context_serializer=self._context_serializer, previous=previous
            )
            return record.encode(envelope), None
        except NotPortableError as error:
            logger.warning(
                "session %s: saved for Python only, the other language cannot resume it: %s",
                self.session_id,
                error,
            )
            return None, documents.without_nul(str(error))

    async def _row(self, database: Database, version: int | None) -> dict[str, Any] | None:
        """Return the version's row, its document the native one if this SDK wrote and reads it."""
        rows = await database.fetch(
            "select version, status, writer_language, not_portable_reason, native_schema_version,"
            " case when writer_language = 'python' then native else envelope end as document"
            " from timestep.run_states where session_id = %s and version = coalesce(%s, version)"
            " order by version desc limit 1",
            self.session_id,
            version,
            repeatable=True,
        )
        if not rows:
            return None
        row = rows[0]
        mine = row["writer_language"] == "python"
        if not mine or native.is_readable(row["native_schema_version"]):
            return {**row, "is_native": mine}
        newer = await database.fetch(
            "select envelope from timestep.run_states where session_id = %s and version = %s",
            self.session_id,
            row["version"],
            repeatable=True,
        )
        return {**row, "is_native": False, "document": newer[0]["envelope"] if newer else None}

    async def _from_native(self, text: str, context: Any) -> RunState[Any, Any]:
        blob = cast("dict[str, Any]", documents.load(text))
        left_out = native.context_left_out(blob)
        if left_out and context is None:
            raise ConfigurationError(
                f"The context of the run of session {self.session_id} was {left_out}, which could"
                " not be saved: give it again with load(context=…), or save with a"
                " context_serializer."
            )
        check_native_agents(blob, self.agent)

        def given(_: Any) -> Any:  # nested runs get no override, but are asked for theirs
            return context

        return await RunState.from_json(
            self.agent,
            blob,
            context_override=context,
            context_deserializer=self._context_deserializer if context is None else given,
            # Otherwise the SDK drops a nested run that it cannot restore, and runs it anew.
            strict_context='"agent_run_state"' in text,
        )

    def _envelope(self, row: dict[str, Any]) -> record.Envelope:
        if row["document"] is None:
            raise NotPortableError(
                f"Version {row['version']} of the run of session {self.session_id} was saved by"
                f" {row['writer_language']} and cannot be resumed here:"
                f" {row['not_portable_reason']}"
            )
        return record.decode(row["document"])

    async def _open(self) -> Database:
        if self._database is None:
            self._database = await open_database(self._connection_string)
        return self._database

    def _not_found(
        self, database: Database, version: int | None, *, ended: bool
    ) -> RunStateNotFoundError:
        what = f"version {version} of the run" if version is not None else "run"
        found = "its last run has ended" if ended else "nothing is saved under this id"
        return RunStateNotFoundError(
            f"No saved {what} waits for session {self.session_id}: {found} in"
            f" {database.location.display}. Check the session id and the database."
        )


def _columns(approvals: list[PendingApproval]) -> list[list[str | None]]:
    """Return the approvals as the parallel arrays that the SQL function takes."""
    return [
        [a.kind for a in approvals],
        [documents.without_nul(a.agent) for a in approvals],
        [documents.without_nul(a.tool) for a in approvals],
        [a.call_id and documents.without_nul(a.call_id) for a in approvals],
        [documents.without_nul(a.arguments) for a in approvals],
        [
            hashlib.sha256(a.arguments.encode("utf-8", "surrogatepass")).hexdigest()
            for a in approvals
        ],
        [a.decision for a in approvals],
        [a.message and documents.without_nul(a.message) for a in approvals],
    ]
