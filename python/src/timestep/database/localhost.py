"""The PostgreSQL that may be listening on this machine, tried without being asked for.

Port 5432 can be a tunnel to somebody's production, so nothing is guessed: one user and then
`postgres`, passwords only from where libpq looks for them, and never a second password.
"""

import socket
from contextlib import suppress

import psycopg
from psycopg import sql

from timestep import settings
from timestep.database.address import Address, build_url
from timestep.database.connect import Connection, open_connection, reason
from timestep.errors import DatabaseUnavailableError

REACH = 0.5  # seconds for the TCP connect
HANDSHAKE = 2  # seconds for everything after it
HOST = "localhost"


def find_local() -> Address | None:
    """Return the address of a usable server on this machine; None when nothing listens there.

    Raises:
        DatabaseUnavailableError: Something listens and refuses, or is not a PostgreSQL.
    """
    port = settings.default_port()
    ip_address = _listener(port)
    if ip_address is None:
        return None
    database = settings.text("PGDATABASE") or "timestep"
    user = settings.database_user()
    guests = [_Guest(user, ip_address, port)]
    if user != "postgres":
        guests.append(_Guest("postgres", ip_address, port))
    failures: list[psycopg.OperationalError] = []
    for guest in guests:
        try:
            guest.open_or_create(database)
        except psycopg.OperationalError as error:
            failures.append(error)
            if isinstance(error, psycopg.errors.ConnectionTimeout):
                break
        else:
            return Address(
                url=build_url(user=guest.user, host=HOST, port=port, database=database),
                display=f"{HOST}:{port}/{database}",
                connect_timeout=HANDSHAKE,
            )
    raise DatabaseUnavailableError(
        f"{HOST}:{port} (user {user!r}: {reason(failures[0], seconds=HANDSHAKE)})"
    ) from failures[0]


class _Guest:
    """A user at the server that was found."""

    def __init__(self, user: str, ip_address: str, port: int) -> None:
        self.user = user
        self._server: dict[str, str | int] = {"host": HOST, "hostaddr": ip_address, "port": port}
        # An empty password keeps PGPASSWORD, which is another user's, away from `postgres`.
        self._password = {} if user == settings.database_user() else {"password": ""}

    def open_or_create(self, database: str) -> None:
        """Connect to the database once, after creating it where it is missing."""
        try:
            self._connect(database).close()
        except psycopg.OperationalError as error:
            if not self._create_missing(database, error):
                raise
            self._connect(database).close()

    def _create_missing(self, database: str, error: psycopg.OperationalError) -> bool:
        refused = error.pgconn is not None and error.pgconn.needs_password
        if refused or isinstance(error, psycopg.errors.ConnectionTimeout):
            return False
        try:
            with self._connect("postgres") as connection:
                return create_database(connection, database)
        except (psycopg.OperationalError, psycopg.errors.InsufficientPrivilege):
            return False

    def _connect(self, database: str) -> Connection:
        return open_connection(
            user=self.user,
            dbname=database,
            connect_timeout=HANDSHAKE,
            **self._server,
            **self._password,
        )


def create_database(connection: Connection, name: str) -> bool:
    """Create a database and return True, or return False if it is there already."""
    found = connection.execute("select from pg_database where datname = %s", [name])
    if found.rowcount:
        return False
    # Another process may be faster: it is there then, which is what was asked for.
    with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    return True


def _listener(port: int) -> str | None:
    for *_, place in socket.getaddrinfo(HOST, port, type=socket.SOCK_STREAM):
        ip_address = str(place[0])
        try:
            socket.create_connection((ip_address, port), timeout=REACH).close()
        except OSError:
            continue
        return ip_address
    return None
