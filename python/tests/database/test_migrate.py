"""Migrations: once each, however many start; refused by older code only where it must be."""

from pathlib import Path

import pytest
from support.postgres import clean_environment, execute, on_database
from support.processes import launch
from timestep.database import open_database_sync
from timestep.database.address import parse_address
from timestep.database.connect import Connection, connect
from timestep.database.migrate import LOCK, SCHEMA, migrate, read_migrations
from timestep.errors import ConfigurationError, DatabaseTooNewError, DatabaseUnavailableError


@pytest.fixture
def connection(empty_database_url: str):
    with connect(parse_address(empty_database_url), source="test") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "0001_one.sql", "create table timestep.one (x int);\n")
    write(tmp_path, "0002_two.sql", "create table timestep.two (x int);\nselect '100%';\n")
    return tmp_path


def write(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content, newline="")


def applied(connection: Connection) -> list[tuple]:
    rows = connection.execute("select version, name, breaking from timestep.migrations order by 1")
    return [tuple(row.values()) for row in rows]


def test_missing_migrations_are_applied_in_order(connection: Connection, folder: Path) -> None:
    assert migrate(connection, folder=folder) == [1, 2]
    assert migrate(connection, folder=folder) == []
    write(folder, "0003_three.sql", "-- breaking\ncreate table timestep.three (x int);\n")
    assert migrate(connection, folder=folder) == [3]
    assert applied(connection) == [(1, "one", False), (2, "two", False), (3, "three", True)]


def test_a_migration_that_fails_leaves_nothing(connection: Connection, folder: Path) -> None:
    write(folder, "0003_three.sql", "create table timestep.three (x int); select 1 / 0;\n")
    with pytest.raises(Exception, match="division by zero"):
        migrate(connection, folder=folder)
    found = connection.execute("select to_regnamespace('timestep') as schema").fetchone()
    assert found == {"schema": None}
    (folder / "0003_three.sql").unlink()
    assert migrate(connection, folder=folder) == [1, 2]


def test_a_newer_database_is_used_unless_it_is_marked_breaking(
    connection: Connection, folder: Path
) -> None:
    write(folder, "0003_three.sql", "create table timestep.three (x int);\n")
    migrate(connection, folder=folder)
    (folder / "0003_three.sql").unlink()
    assert migrate(connection, folder=folder) == []
    write(folder, "0003_three.sql", "create table timestep.three (x int);\n")
    write(folder, "0004_four.sql", "-- breaking\nselect 1;\n")
    write(folder, "0005_five.sql", "select 1;\n")
    migrate(connection, folder=folder)
    for name in ("0003_three.sql", "0004_four.sql", "0005_five.sql"):
        (folder / name).unlink()
    with pytest.raises(DatabaseTooNewError, match=r"version 5, and version 4 .* up to 2"):
        migrate(connection, folder=folder)


def test_a_database_newer_than_this_package_is_refused(database_url: str) -> None:
    row = "insert into timestep.migrations values (9999, 'future', 'x', true)"
    execute(database_url, row)
    with pytest.raises(DatabaseTooNewError, match="9999"):
        open_database_sync(database_url)


def test_line_ends_do_not_make_another_migration(connection: Connection, folder: Path) -> None:
    migrate(connection, folder=folder)
    write(folder, "0002_two.sql", "create table timestep.two (x int);\r\nselect '100%';\r\n")
    assert migrate(connection, folder=folder) == []


def test_an_edited_migration_is_refused(connection: Connection, folder: Path) -> None:
    migrate(connection, folder=folder)
    write(folder, "0002_two.sql", "create table timestep.two (x bigint);\n")
    with pytest.raises(ConfigurationError, match=r"Migration 2 \(two\)"):
        migrate(connection, folder=folder)


def test_waiting_for_another_migration_has_an_end(
    connection: Connection, folder: Path, empty_database_url: str
) -> None:
    with connect(parse_address(empty_database_url), source="test") as other, other.transaction():
        other.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        with pytest.raises(DatabaseUnavailableError, match=str(LOCK)):
            migrate(connection, folder=folder, longest_wait=0.2)
    assert migrate(connection, folder=folder) == [1, 2]


def test_a_role_without_rights_is_told_so(empty_database_url: str) -> None:
    execute(
        empty_database_url,
        "drop role if exists test_reader",
        "create role test_reader login password 'hunter2'",
    )
    address = parse_address(empty_database_url)
    url = address.url.replace(address.url.split("//")[1].split("@")[0], "test_reader:hunter2")
    try:
        with pytest.raises(DatabaseUnavailableError, match="test_reader") as refused:
            open_database_sync(url)
        assert "grant create on database" in str(refused.value)
        assert "hunter2" not in str(refused.value)
    finally:
        execute(on_database(empty_database_url, "postgres"), "drop role test_reader")


def test_twenty_processes_at_once_apply_each_migration_once(empty_database_url: str) -> None:
    program = (
        "import sys; from timestep.database import open_database_sync; sys.stdin.readline(); "
        "open_database_sync(sys.argv[1]).fetch_sync('select from timestep.run_states')"
    )
    starters = [launch(program, empty_database_url, env=clean_environment()) for _ in range(20)]
    for process in starters:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate(timeout=120) for process in starters]
    assert [process.returncode for process in starters] == [0] * 20, said
    assert {output for output, _ in said} == {""}
    versions = execute(empty_database_url, "select version from timestep.migrations order by 1")
    assert versions == [(each.version,) for each in read_migrations()]


def test_the_packed_copy_is_the_one_of_the_contract() -> None:
    source = Path(__file__).parents[3] / "spec/schema"
    assert [path.read_bytes() for path in sorted(SCHEMA.glob("*.sql"))] == [
        path.read_bytes() for path in sorted(source.glob("[0-9]*.sql"))
    ]
