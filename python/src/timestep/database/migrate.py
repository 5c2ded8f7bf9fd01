"""Bring the schema `timestep` of a database up to date, once, however many processes start.

States of a migration: unknown to the database, then applied; nothing between, because all that
are missing are applied in one transaction. Who decides: whoever holds the transaction's advisory
lock. It is asked for again and again instead of waited for, since a waiting statement holds a
snapshot that other migrations (DBOS's CREATE INDEX CONCURRENTLY) wait for in turn. A process that
dies loses its transaction and its lock with it; the next one starts from the same place.
"""

import hashlib
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from timestep.database.connect import Connection
from timestep.errors import ConfigurationError, DatabaseTooNewError, DatabaseUnavailableError

SCHEMA = Path(__file__).parent / "schema"
LOCK = 7470003
LONGEST_WAIT = 60.0  # seconds for another process's migrations
POLL = 0.05

READ = "select version, name, sha256, breaking from timestep.migrations order by version"
CREATE_TABLE = """
create schema if not exists timestep;
create table if not exists timestep.migrations (
  version integer primary key,
  name text not null,
  sha256 text not null,
  breaking boolean not null,
  applied_at timestamptz not null default now()
);
"""


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One numbered file of SQL."""

    version: int
    name: str
    sha256: str
    breaking: bool
    statements: str


def read_migrations(folder: Path = SCHEMA) -> list[Migration]:
    """Return the migrations of this package in the order in which they are applied."""
    return [_read(path) for path in sorted(folder.glob("[0-9]*.sql"))]


def migrate(
    connection: Connection, *, folder: Path = SCHEMA, longest_wait: float = LONGEST_WAIT
) -> list[int]:
    """Apply the migrations that the database lacks and return their versions.

    Args:
        connection: An open connection in autocommit mode.
        folder: Where the migrations lie (this package's own).
        longest_wait: Seconds to wait for another process that is migrating (60).

    Raises:
        DatabaseTooNewError: A newer Timestep made a change that this one cannot work with.
        ConfigurationError: A migration was applied with another content than this package's.
        DatabaseUnavailableError: The role may not create the schema, or waiting took too long.
    """
    migrations = read_migrations(folder)
    deadline = time.monotonic() + longest_wait
    try:
        if not _missing(connection, migrations):
            return []
        return _apply_locked(connection, migrations, deadline=deadline)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction) as error:
        raise _not_allowed(connection, error) from error


def schema_version(connection: Connection) -> int:
    """Return the newest version that the database has; 0 when it has none."""
    return max(_applied(connection), default=0)


def _read(path: Path) -> Migration:
    number, _, name = path.stem.partition("_")
    statements = path.read_bytes().replace(b"\r\n", b"\n")
    return Migration(
        version=int(number),
        name=name,
        sha256=hashlib.sha256(statements).hexdigest(),
        breaking=re.match(rb"-- breaking\s*\n", statements) is not None,
        statements=statements.decode(),
    )


def _apply_locked(
    connection: Connection, migrations: list[Migration], *, deadline: float
) -> list[int]:
    while True:
        with connection.transaction():
            row = connection.execute("select pg_try_advisory_xact_lock(%s) as mine", [LOCK])
            if (locked := row.fetchone()) and locked["mine"]:
                return _apply_missing(connection, migrations)
        if time.monotonic() > deadline:
            raise DatabaseUnavailableError(
                "Another process has been migrating this database for too long. If none is, look "
                f"for the holder of advisory lock {LOCK} in pg_locks and end it."
            )
        time.sleep(POLL)
        if not _missing(connection, migrations):
            return []


def _apply_missing(connection: Connection, migrations: list[Migration]) -> list[int]:
    # Without parameters psycopg sends a whole script at once.
    connection.execute(CREATE_TABLE)
    missing = _missing(connection, migrations)
    for migration in missing:
        connection.execute(migration.statements.encode())
        connection.execute(
            "insert into timestep.migrations (version, name, sha256, breaking) "
            "values (%s, %s, %s, %s)",
            [migration.version, migration.name, migration.sha256, migration.breaking],
        )
    return [migration.version for migration in missing]


def _missing(connection: Connection, migrations: list[Migration]) -> list[Migration]:
    applied = _applied(connection)
    known = {migration.version: migration for migration in migrations}
    newest = max(known, default=0)
    for version, row in applied.items():
        if version not in known:
            _check_newer(version, row, newest=newest, database_version=max(applied))
        elif row["sha256"] != known[version].sha256:
            raise ConfigurationError(
                f"Migration {version} ({row['name']}) was applied to this database with another "
                f"content than this Timestep has: sha256 {row['sha256'][:12]}… in the database, "
                f"{known[version].sha256[:12]}… expected. A released migration never changes: use "
                "the Timestep that made this database, or another database."
            )
    return [migration for migration in migrations if migration.version not in applied]


def _check_newer(version: int, row: dict[str, Any], *, newest: int, database_version: int) -> None:
    if row["breaking"]:
        raise DatabaseTooNewError(
            f"The database is at schema version {database_version}, and version {version} "
            f"({row['name']}) is a breaking change; this Timestep knows versions up to {newest}. "
            "Upgrade timestep, or use another database."
        )


def _applied(connection: Connection) -> dict[int, dict[str, Any]]:
    try:
        with connection.transaction():
            return {row["version"]: row for row in connection.execute(READ)}
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
        return {}


def _not_allowed(connection: Connection, error: psycopg.Error) -> DatabaseUnavailableError:
    info = connection.info
    return DatabaseUnavailableError(
        f"The user {info.user!r} cannot create or use the schema timestep in the database "
        f"{info.dbname!r}: {error.diag.message_primary}. Migrate once as a user who may "
        f"(timestep db migrate), or grant it: grant create on database {info.dbname} to "
        f"{info.user}; for an existing schema also usage on it and all rights on its tables."
    )
