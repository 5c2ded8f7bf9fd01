"""This process's tie to the embedded server: one connection that holds a shared advisory lock.

States of a process: not attached; attached. The server lives while anybody is attached: who
leaves gives up its shared lock and asks for the exclusive one, and stops the server if it gets it.
A killed process leaves with its connection. The answer to every doubt (no server yet, starting,
stopping, a lock refused because somebody is stopping it) is to look again, for at most a minute.
"""

import atexit
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from timestep import settings
from timestep.database.connect import Connection, open_connection, reason
from timestep.database.embedded.binaries import find_binaries
from timestep.database.embedded.cluster import (
    HOST,
    ROLE,
    Cluster,
    base_folder,
    create_cluster,
    find_cluster,
    make_base,
)
from timestep.database.embedded.lock import startup_lock
from timestep.database.embedded.server import (
    POLL,
    Postmaster,
    running,
    start,
    stop,
    wait_until_gone,
)
from timestep.database.localhost import create_database
from timestep.errors import DatabaseUnavailableError

PRESENCE = 7470001
LONGEST_WAIT = 60.0  # seconds
WHILE_ANOTHER_STARTS = 0.05
KEPT = "select from pg_db_role_setting where 'timestep.keep=on' = any(setconfig)"


@dataclass(frozen=True, kw_only=True)
class EmbeddedServer:
    """The running embedded server.

    Attributes:
        url: Its full address, password included.
        folder: Where its data lies, as people write it.
    """

    url: str = field(repr=False)
    folder: str


@dataclass(kw_only=True)
class _Presence:
    base: Path
    cluster: Cluster
    connection: Connection
    process: int

    @property
    def server(self) -> EmbeddedServer:
        return EmbeddedServer(
            url=self.cluster.url(self.connection.info.port),
            folder=_shortened(self.cluster.folder),
        )


class _NotYetError(Exception):
    """The server cannot be used at this moment, which will pass."""


def attach() -> EmbeddedServer:
    """Return the embedded server, created and started if need be, in use by this process.

    The process counts as present until it ends. Calling again is cheap.

    Raises:
        DatabaseUnavailableError: There are no binaries, or it does not start.
        ConfigurationError: A setting cannot be used.
    """
    with _lock:
        return _attached().server


def find_running() -> EmbeddedServer | None:
    """Return the embedded server if it runs; this process does not attach to it."""
    cluster = find_cluster(base_folder())
    postmaster = running(cluster) if cluster else None
    if cluster is None or postmaster is None or postmaster.port is None or not postmaster.ready:
        return None
    return EmbeddedServer(url=cluster.url(postmaster.port), folder=_shortened(cluster.folder))


def keep_running() -> EmbeddedServer:
    """Return the embedded server, which from now on stays up when the last process leaves."""
    with _lock:
        presence = _attached()
        presence.connection.execute(f"alter database {ROLE} set timestep.keep = 'on'")
        return presence.server


def stop_for_good(*, force: bool = False) -> bool:
    """Stop the embedded server and wait for its end.

    Args:
        force: Stop it even if other processes use it (False).

    Returns:
        False if it did not run.

    Raises:
        DatabaseUnavailableError: Other processes use it, or it does not end.
    """
    global _presence
    cluster = find_cluster(base_folder())
    if cluster is None or running(cluster) is None:
        return False
    with _lock:
        presence, _presence = _attached(), None
        with presence.connection as connection:
            if not _is_last(connection) and not force:
                raise DatabaseUnavailableError(
                    "Other processes use the embedded PostgreSQL. It stops when the last of them "
                    "ends; to stop it now, use --force."
                )
            connection.execute(f"alter database {ROLE} reset timestep.keep")
            stop(cluster)
    if not wait_until_gone(cluster):
        raise DatabaseUnavailableError(f"The PostgreSQL in {cluster.folder} does not end.")
    return True


def _attached() -> _Presence:
    """Return this process's presence, made anew where it is missing, broken or a parent's."""
    global _presence
    base = base_folder()
    if _presence is None or not _is_valid(_presence, base):
        _leave()
        try:
            _presence = _wait_for_presence(base)
        except OSError as error:
            raise DatabaseUnavailableError(f"{error.filename or base}: {error.strerror}") from error
    return _presence


def _wait_for_presence(base: Path) -> _Presence:
    deadline = time.monotonic() + LONGEST_WAIT
    while True:
        try:
            return _try_presence(base)
        except _NotYetError as obstacle:
            if time.monotonic() > deadline:
                raise DatabaseUnavailableError(
                    f"the server in {base} was not usable within {LONGEST_WAIT:.0f} seconds: "
                    f"{obstacle}"
                ) from obstacle
        time.sleep(POLL)


def _try_presence(base: Path) -> _Presence:
    cluster = find_cluster(base)
    postmaster = running(cluster) if cluster else None
    if cluster is None or postmaster is None:
        _bring_up(base)
        raise _NotYetError("it was started and has not answered")
    connection = _join(cluster, postmaster)
    return _Presence(base=base, cluster=cluster, connection=connection, process=os.getpid())


def _bring_up(base: Path) -> None:
    """Create the cluster if there is none and start its server if it does not run."""
    make_base(base)
    with startup_lock(base) as mine:
        if not mine:
            time.sleep(WHILE_ANOTHER_STARTS)
            raise _NotYetError("another process is starting it")
        cluster = find_cluster(base)
        if cluster is None:
            create_cluster(base, find_binaries())
            cluster = find_cluster(base)
        if cluster is not None and running(cluster) is None:
            start(cluster)


def _join(cluster: Cluster, postmaster: Postmaster) -> Connection:
    """Return a connection that holds the shared lock."""
    if not postmaster.ready or postmaster.port is None:
        raise _NotYetError("it is starting or stopping")
    try:
        connection = _connect_or_create(cluster, postmaster.port)
        row = connection.execute("select pg_try_advisory_lock_shared(%s) as here", [PRESENCE])
    except psycopg.OperationalError as error:
        why = reason(error, seconds=2)
        if "password authentication failed" in why:
            raise DatabaseUnavailableError(
                f"the password in {cluster.folder / 'password'} is not the server's"
            ) from error
        raise _NotYetError(why) from error
    if (found := row.fetchone()) and found["here"]:
        return connection
    connection.close()
    raise _NotYetError("another process is stopping it")


def _connect_or_create(cluster: Cluster, port: int) -> Connection:
    try:
        return _connect(cluster, port, ROLE)
    except psycopg.OperationalError:
        # Its database is missing the very first time; on any other obstacle this fails as well.
        with _connect(cluster, port, "postgres") as connection:
            create_database(connection, ROLE)
    return _connect(cluster, port, ROLE)


def _connect(cluster: Cluster, port: int, database: str) -> Connection:
    # hostaddr, because libpq would otherwise use PGHOSTADDR of the environment.
    return open_connection(cluster.url(port, database), hostaddr=HOST, connect_timeout=2)


def _is_valid(presence: _Presence, base: Path) -> bool:
    """Return whether the presence is this process's, of this folder, and its server answers."""
    if presence.process != os.getpid() or presence.base != base:
        return False
    try:
        presence.connection.execute("select 1")
    except psycopg.OperationalError:
        return False
    return True


def _leave() -> None:
    """Give up this process's presence and stop the server if nobody else is there."""
    global _presence
    presence, _presence = _presence, None
    if presence is None:
        return
    if presence.process != os.getpid():
        _inherited.append(presence)
        return
    try:
        with presence.connection as connection:
            if _is_last(connection) and not _is_kept(connection):
                stop(presence.cluster)
    except psycopg.OperationalError:
        pass  # the server is gone already, or going: there is nothing to give up


def _is_last(connection: Connection) -> bool:
    """Turn the shared lock into the exclusive one, if nobody else holds the shared one."""
    connection.execute("select pg_advisory_unlock_shared(%s)", [PRESENCE])
    row = connection.execute("select pg_try_advisory_lock(%s) as last", [PRESENCE]).fetchone()
    return bool(row and row["last"])


def _is_kept(connection: Connection) -> bool:
    return settings.embedded_kept() or connection.execute(KEPT).rowcount > 0


def _shortened(folder: Path) -> str:
    home = Path.home()
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()


_lock = threading.Lock()
_presence: _Presence | None = None
_inherited: list[_Presence] = []  # kept, so that a child never closes its parent's connection
atexit.register(_leave)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
