"""Statements through the public functions: sharing, closing, lost connections, fork."""

import asyncio
import logging
import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from support.postgres import execute
from timestep.database import Database, open_database, open_database_sync
from timestep.errors import DatabaseUnavailableError

pytestmark = pytest.mark.anyio
KILL_OTHERS = (
    "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
    "where datname = current_database() and pid <> pg_backend_pid()"
)


async def backend(database: Database) -> int:
    return (await database.fetch("select pg_backend_pid() as pid"))[0]["pid"]


async def test_a_statement_returns_its_rows_as_dictionaries(database_url: str) -> None:
    database = await open_database(database_url)
    rows = await database.fetch("select %s::int as one, %s as two", 1, "zwei \u2603")
    assert rows == [{"one": 1, "two": "zwei \u2603"}]
    assert await database.fetch("create table t (x int)") == []
    assert database.fetch_sync("select '100%' as share") == [{"share": "100%"}]
    await database.close()


async def test_each_statement_is_committed_at_once(database_url: str) -> None:
    database = await open_database(database_url)
    await database.fetch("create table t (x int)")
    await database.fetch("insert into t values (%s)", 7)
    assert execute(database_url, "select x from t") == [(7,)]
    await database.close()


async def test_a_refused_statement_leaves_the_connection_usable(database_url: str) -> None:
    database = await open_database(database_url)
    before = await backend(database)
    with pytest.raises(psycopg.errors.DivisionByZero):
        await database.fetch("select 1 / 0")
    assert await backend(database) == before
    await database.close()


async def test_opening_twice_shares_connections_until_the_last_close(database_url: str) -> None:
    first = await open_database(database_url)
    second = await open_database(database_url)
    assert await backend(first) == await backend(second)
    await first.close()
    await first.close()
    assert await second.fetch("select 1 as one") == [{"one": 1}]
    await second.close()
    count = "select count(*) from pg_stat_activity where datname = current_database()"
    assert execute(database_url, count) == [(1,)]
    with pytest.raises(DatabaseUnavailableError, match="closed"):
        await first.fetch("select 1")


async def test_two_writings_of_one_address_share_connections(database_url: str) -> None:
    first = await open_database(database_url)
    second = await open_database(database_url.replace("postgresql://", "postgresql+psycopg://"))
    assert await backend(first) == await backend(second)
    await first.close()
    await second.close()


def test_a_database_survives_several_event_loops(database_url: str) -> None:
    database = asyncio.run(open_database(database_url))
    assert asyncio.run(database.fetch("select 1 as one")) == [{"one": 1}]
    assert asyncio.run(database.fetch("select 2 as two")) == [{"two": 2}]
    asyncio.run(database.close())


async def test_a_connection_that_died_idle_is_replaced_before_use(database_url: str) -> None:
    database = await open_database(database_url)
    before = await backend(database)
    execute(database_url, KILL_OTHERS)
    await database.fetch("create table t (x int)")
    assert await backend(database) != before
    await database.close()


async def test_a_statement_safe_to_repeat_survives_a_lost_connection(database_url: str) -> None:
    database = await open_database(database_url)
    await database.fetch("create table t (x int)")
    sql = "with slow as (select pg_sleep(1)) insert into t select 1 from slow returning x"
    repeated = asyncio.create_task(database.fetch(sql, repeatable=True))
    await until_sleeping(database_url)
    execute(database_url, KILL_OTHERS)
    assert await repeated == [{"x": 1}]
    assert execute(database_url, "select count(*) from t") == [(1,)]
    await database.close()


async def test_a_lost_statement_is_reported_and_not_repeated(database_url: str) -> None:
    database = await open_database(database_url)
    lost = asyncio.create_task(database.fetch("select pg_sleep(30)"))
    await until_sleeping(database_url)
    execute(database_url, KILL_OTHERS)
    with pytest.raises(DatabaseUnavailableError, match="may or may not have taken effect"):
        await lost
    assert await database.fetch("select 1 as one") == [{"one": 1}]
    await database.close()


async def until_sleeping(url: str) -> None:
    sleeping = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'"
    async with asyncio.timeout(10):
        while execute(url, sleeping) == [(0,)]:  # noqa: ASYNC110  # another process's event
            await asyncio.sleep(0.01)


async def test_forty_statements_at_once_share_five_connections(database_url: str) -> None:
    database = await open_database(database_url)
    with ThreadPoolExecutor(40) as threads:
        statements = [
            threads.submit(database.fetch_sync, "select pg_backend_pid() as pid, pg_sleep(0.01)")
            for _ in range(40)
        ]
    assert len({each.result()[0]["pid"] for each in statements}) <= 5
    await database.close()


async def test_a_cancelled_call_leaves_no_open_connection_behind(database_url: str) -> None:
    database = await open_database(database_url)
    call = asyncio.create_task(database.fetch("select pg_sleep(0.2)"))
    await until_sleeping(database_url)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert await database.fetch("select 1 as one") == [{"one": 1}]
    await database.close()


async def test_the_location_is_logged_once_and_without_its_password(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "timestep"):
        database = await open_database(database_url)
        await database.close()
        database = await open_database(database_url)
    lines = [record.getMessage() for record in caplog.records if record.name == "timestep"]
    assert lines == [database.location.display]
    assert lines[0].startswith("PostgreSQL ")
    assert lines[0].endswith("(connection_string)")
    password = psycopg.conninfo.conninfo_to_dict(database.location.url)["password"]
    assert str(password) not in f"{lines} {database!r} {database.location!r}"
    await database.close()


def fetch_in_child(database: Database, answers: "multiprocessing.SimpleQueue") -> None:
    answers.put(database.fetch_sync("select pg_backend_pid() as pid")[0]["pid"])


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_connections_of_its_own(database_url: str) -> None:
    database = open_database_sync(database_url)
    before = database.fetch_sync("select pg_backend_pid() as pid")[0]["pid"]
    fork = multiprocessing.get_context("fork")
    answers = fork.SimpleQueue()
    child = fork.Process(target=fetch_in_child, args=(database, answers))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert answers.get() != before
    assert database.fetch_sync("select pg_backend_pid() as pid")[0]["pid"] == before
    database.close_sync()


def test_threads_that_open_at_once_share_one_database(empty_database_url: str) -> None:
    barrier = threading.Barrier(8)

    def opened() -> Database:
        barrier.wait()
        return open_database_sync(empty_database_url)

    with ThreadPoolExecutor(8) as threads:
        databases = [each.result() for each in [threads.submit(opened) for _ in range(8)]]
    assert (
        len({each.fetch_sync("select pg_backend_pid() as pid")[0]["pid"] for each in databases})
        == 1
    )
    for each in databases:
        each.close_sync()
