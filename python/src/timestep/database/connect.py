"""One connection to PostgreSQL, or one clear reason why there is none."""

from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from timestep.database.address import Address
from timestep.errors import DatabaseUnavailableError

Connection = psycopg.Connection[dict[str, Any]]


def connect(address: Address, *, source: str) -> Connection:
    """Return an open connection in autocommit mode, rows as dictionaries.

    Args:
        address: Where to connect; its connect_timeout is the limit (psycopg's least is 2 seconds).
        source: Where the address comes from, for the message of the error.

    Raises:
        DatabaseUnavailableError: The server cannot be reached, refuses, or does not answer.
    """
    try:
        return open_connection(address.url, connect_timeout=address.connect_timeout)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError(
            f"Cannot use the PostgreSQL at {address.display} ({source}): "
            f"{reason(error, seconds=address.connect_timeout)}."
        ) from error


def open_connection(url: str = "", **parameters: str | int) -> Connection:
    """Return a connection as connect() does, with psycopg's own errors."""
    # No statement is prepared on the server: poolers such as pgbouncer hand the next one to
    # another backend.
    return psycopg.Connection[dict[str, Any]].connect(
        make_conninfo(
            url, client_encoding="UTF8", fallback_application_name="timestep", **parameters
        ),
        autocommit=True,
        prepare_threshold=None,
        row_factory=dict_row,
    )


def reason(error: psycopg.OperationalError, *, seconds: int) -> str:
    """Return in one line why a connection was not made, and what to do where that is known."""
    if isinstance(error, psycopg.errors.ConnectionTimeout):
        return f"no answer within {max(seconds, 2)} seconds; is it a PostgreSQL, and is it awake?"
    pgconn = error.pgconn
    if pgconn is not None and pgconn.needs_password:
        return (
            "it requires a password and none was given; "
            "add it to the address, to PGPASSWORD or to the password file"
        )
    said = _last_words(str(error))
    return said + _advice(said)


def server_version(connection: Connection) -> str:
    """Return the server's version as people write it, such as "18.4"."""
    major, minor = divmod(connection.info.server_version, 10000)
    return f"{major}.{minor}"


def _last_words(message: str) -> str:
    """Cut libpq's prefixes, which repeat host and port, and keep what the server said."""
    line = " ".join(message.split())
    said = line.rpartition(" failed: ")[2]
    for prefix in ("FATAL: ", "ERROR: "):
        said = said.removeprefix(prefix).strip()
    return said.rstrip(".")


def _advice(said: str) -> str:
    if "password authentication failed" in said:
        return "; check user and password"
    if said.startswith("database ") and "does not exist" in said:
        return "; create it, or name one that exists"
    if "invalid response to SSL negotiation" in said or "authentication request" in said:
        return "; something other than PostgreSQL listens on this port"
    if "server closed the connection unexpectedly" in said:
        return "; is it a PostgreSQL?"
    if "Connection refused" in said:
        return "; start the server or correct the address"
    return ""
