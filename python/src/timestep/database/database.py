"""The database as the rest of Timestep uses it: statements in, rows out.

One pool per process and address is shared by everybody who opened it and closes with the last of
them. The pool is a synchronous one behind asyncio.to_thread: it belongs to no event loop, so it
survives several asyncio.run calls, and it works on Windows, whose default loop psycopg refuses.

A connection that died while it was idle is replaced before anything is sent. One that dies with a
statement under way is an error, because the statement may have taken effect; only statements that
are safe to repeat are sent once more.
"""

import asyncio
import atexit
import logging
import os
import threading
from typing import Any, cast

import psycopg

from timestep import settings
from timestep.database.connect import Connection, connect, server_version
from timestep.database.migrate import migrate
from timestep.database.pool import Pool
from timestep.database.resolve import Choice, DatabaseLocation, configured, find
from timestep.errors import DatabaseUnavailableError

logger = logging.getLogger("timestep")
SHUTDOWN = ("57P01", "57P02", "57P03")  # the server ends, was killed, or is not up yet
Rows = list[dict[str, Any]]


async def open_database(connection_string: str | None = None) -> "Database":
    """Return the database, migrated and ready; cheap when this process has it open already.

    Args:
        connection_string: Its address; by default the one that is configured or found
            (spec/connection.md).

    Raises:
        ConfigurationError: The address or a setting cannot be used.
        DatabaseUnavailableError: There is no PostgreSQL, or it refuses or does not answer.
        DatabaseTooNewError: A newer Timestep made a change that this one cannot work with.
    """
    return _opened(connection_string) or await asyncio.to_thread(
        open_database_sync, connection_string
    )


def _opened(connection_string: str | None) -> "Database | None":
    """Return the database if it is open already, without waiting for one that is being opened."""
    if not _lock.acquire(blocking=False):
        return None
    try:
        return _use_shared(_key(configured(connection_string)))
    finally:
        _lock.release()


def open_database_sync(connection_string: str | None = None) -> "Database":
    """Return the database as open_database() does, from a thread."""
    choice = configured(connection_string)
    key = _key(choice)
    with _lock:
        if key not in _open:
            _open[key] = _Shared(key, choice or find())
        return cast("Database", _use_shared(key))


def _use_shared(key: str) -> "Database | None":
    shared = _open.get(key)
    if shared is None:
        return None
    shared.users += 1
    return Database(shared)


class Database:
    """An open database. Close it when done; at the end of the process it is closed anyway."""

    def __init__(self, shared: "_Shared") -> None:
        self._shared = shared
        self._closed = False

    def __repr__(self) -> str:
        """Return where the data lies, without the password."""
        return f"<Database {self.location.display}>"

    @property
    def location(self) -> DatabaseLocation:
        """Where the data lies."""
        return self._shared.location

    async def fetch(self, statement: str, *values: object, repeatable: bool = False) -> Rows:
        """Run one statement in a transaction of its own and return its rows.

        Args:
            statement: SQL with %s for each value.
            values: What stands for the %s.
            repeatable: Running it twice does no harm: after a lost connection it is sent once
                more (False).

        Raises:
            DatabaseUnavailableError: No connection, or it was lost. Unless repeatable, the
                statement may have taken effect.
            psycopg.Error: The server refused the statement.
        """
        return await asyncio.to_thread(self.fetch_sync, statement, *values, repeatable=repeatable)

    def fetch_sync(self, statement: str, *values: object, repeatable: bool = False) -> Rows:
        """Run one statement as fetch() does, from a thread."""
        if self._closed:
            raise DatabaseUnavailableError("This database was closed by its user; open it again.")
        return self._shared.fetch(statement, values, repeatable=repeatable)

    def connection_sync(self) -> Connection:
        """Return a new connection that is the caller's own, to be closed by it, from a thread.

        Raises:
            DatabaseUnavailableError: None can be made.
        """
        return self._shared.connection()

    async def close(self) -> None:
        """Give the database back; the connections close when its last user has closed."""
        await asyncio.to_thread(self.close_sync)

    def close_sync(self) -> None:
        """Give the database back as close() does, from a thread."""
        with _lock:
            if self._closed:
                return
            self._closed = True
            self._shared.users -= 1
            if self._shared.users == 0 and _open.get(self._shared.key) is self._shared:
                del _open[self._shared.key]
                self._shared.close()


class _Shared:
    """What all Database objects of one address in this process have in common."""

    def __init__(self, key: str, choice: Choice) -> None:
        self.key = key
        self.users = 0
        self._renewing = threading.Lock()
        self._process = os.getpid()
        self._use(choice)
        try:
            with self._pool.connection() as connection:
                migrate(connection)
                self._version = server_version(connection)
        except BaseException:
            self._pool.close()
            raise
        _log_once(self.location)

    @property
    def location(self) -> DatabaseLocation:
        address = self._choice.address
        return DatabaseLocation(
            url=address.url,
            display=f"PostgreSQL {self._version} at {address.display} ({self._choice.origin})",
            source=self._choice.source,
        )

    def fetch(self, statement: str, values: tuple[object, ...], *, repeatable: bool) -> Rows:
        pool = self._pool_of_this_process()
        try:
            return self._run(pool, statement, values)
        except _StatementLostError:
            if not repeatable:
                raise
        except DatabaseUnavailableError:
            # Nothing was sent. Of all servers only the embedded one can be started again from here.
            if self._choice.source != "embedded":
                raise
        self._renew(pool)
        return self._run(self._pool, statement, values)

    def connection(self) -> Connection:
        return connect(self._choice.address, source=self._choice.origin)

    def close(self) -> None:
        if self._process == os.getpid():
            self._pool.close()

    def after_fork(self) -> None:
        self._renewing = threading.Lock()

    def _run(self, pool: Pool, statement: str, values: tuple[object, ...]) -> Rows:
        with pool.connection() as connection:
            try:
                cursor = connection.execute(statement.encode(), values or None)
                return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError as error:
                if error.sqlstate not in SHUTDOWN and not connection.closed:
                    raise
                connection.close()
                raise _StatementLostError(
                    f"The connection to {self.location.display} was lost while a statement was "
                    "under way; it may or may not have taken effect."
                ) from error

    def _pool_of_this_process(self) -> Pool:
        # A child made by fork() holds its parent's sockets; using one would disturb both.
        if self._process != os.getpid():
            with self._renewing:
                if self._process != os.getpid():
                    _inherited.append(self._pool)
                    self._use(self._choice.renewed())
                    self._process = os.getpid()
        return self._pool

    def _renew(self, broken: Pool) -> None:
        with self._renewing:
            if self._pool is broken:  # else another thread has done it
                broken.close()
                self._use(self._choice.renewed())

    def _use(self, choice: Choice) -> None:
        self._choice = choice
        self._pool = Pool(self.connection)


class _StatementLostError(DatabaseUnavailableError):
    """The connection broke with a statement under way."""


def _key(choice: Choice | None) -> str:
    """Return what leads to a database: its address, or the settings that a search depends on."""
    if choice:
        return choice.address.url
    return repr(
        (
            settings.data_folder(),
            settings.embedded_allowed(),
            settings.default_port(),
            settings.text("PGUSER"),
            settings.text("PGDATABASE"),
        )
    )


def _log_once(location: DatabaseLocation) -> None:
    if location.display not in _logged:
        _logged.add(location.display)
        logger.info("%s", location.display)


def _close_all() -> None:
    for shared in list(_open.values()):
        shared.close()
    _open.clear()


def _after_fork() -> None:
    """Give the child locks that no thread of its parent holds."""
    global _lock
    _lock = threading.Lock()
    for shared in _open.values():
        shared.after_fork()


_lock = threading.Lock()
_inherited: list[Pool] = []  # kept, so that no child ever closes its parent's connections
_open: dict[str, _Shared] = {}
_logged: set[str] = set()
atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
