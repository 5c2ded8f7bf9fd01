"""A PostgreSQL for tests, and a fresh, migrated database for each of them.

TIMESTEP_TEST_PG_URI names a server to use (as a superuser); without it the embedded one is started
in a temporary folder. A process of its own holds it and ends with this one, even a killed one.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from dbos import DBOS
from support.processes import WITHOUT_INDEX
from support.waiting import until
from timestep.database import open_database_sync

HOLD = """
import sys
from timestep.database import embedded
print(embedded.attach().url, flush=True)
sys.stdin.read()
"""
# Tests lose nothing that matters when the machine does.
FASTER = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")


def on_database(url: str, name: str) -> str:
    """Return the address of another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def execute(url: str, *statements: str) -> list[tuple]:
    """Run statements one by one outside of a transaction; return the rows of the last."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@contextmanager
def new_database(url: str, *, template: str = "template0") -> Iterator[str]:
    """Create a database, yield its address, drop it with everybody in it."""
    name = f"test_{secrets.token_hex(6)}"
    execute(url, f"create database {name} template {template}")
    try:
        yield on_database(url, name)
    finally:
        execute(url, f"drop database {name} with (force)")


@contextmanager
def new_data_folder() -> Iterator[Path]:
    """Yield a folder for TIMESTEP_DATA_DIR that the server's user may enter too."""
    folder = Path(tempfile.mkdtemp(prefix="timestep-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def clean_environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without anything that names a database."""
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("PG", "TIMESTEP_"))}
    return {**kept, **variables}


@contextmanager
def embedded_server() -> Iterator[str]:
    """Start an embedded server of our own and yield its address."""
    with (
        new_data_folder() as folder,
        subprocess.Popen(
            [sys.executable, "-c", WITHOUT_INDEX + HOLD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(TIMESTEP_DATA_DIR=str(folder)),
        ) as holder,
    ):
        assert holder.stdout
        url = holder.stdout.readline().strip()
        assert url, "the embedded PostgreSQL for the tests did not start: see above"
        execute(url, *(f"alter system set {each}" for each in FASTER), "select pg_reload_conf()")
        yield url
        holder.communicate()
        until(lambda: not list(folder.glob("postgres/*/data/postmaster.pid")))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a PostgreSQL, as its superuser."""
    if url := os.environ.get("TIMESTEP_TEST_PG_URI"):
        yield url
    else:
        with embedded_server() as url:
            yield url


@pytest.fixture(scope="session")
def migrated_template(postgres_server: str) -> Iterator[str]:
    """The name of a database with both schemas that nobody is connected to."""
    with new_database(postgres_server) as url:
        open_database_sync(url).close_sync()
        DBOS.migrate(url)
        yield urlsplit(url).path[1:]


@pytest.fixture
def database_url(postgres_server: str, migrated_template: str) -> Iterator[str]:
    """The address of a migrated database of this test's own."""
    with new_database(postgres_server, template=migrated_template) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_server: str) -> Iterator[str]:
    """The address of an empty database of this test's own."""
    with new_database(postgres_server) as url:
        yield url


@pytest.fixture(autouse=True)
def no_database_by_accident(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a test from using the developer's database or starting a server in his home."""
    for name in list(os.environ):
        if name.startswith("PG") or (
            name.startswith("TIMESTEP_") and name != "TIMESTEP_TEST_PG_URI"
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TIMESTEP_EMBEDDED", "off")


@pytest.fixture
def anyio_backend() -> str:
    """Asyncio is the loop of the Agents SDK."""
    return "asyncio"
