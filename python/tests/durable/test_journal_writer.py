"""Steps of many runs, written in as few commits as can be, whatever happens to the connection."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import psycopg
import pytest
from support.postgres import execute
from support.waiting import until
from timestep.database import Database, open_database
from timestep.durable.journal import Journal, Step
from timestep.durable.journal_writer import JournalWriter
from timestep.errors import RunOwnershipLostError

pytestmark = pytest.mark.anyio
NOBODY = "00000000-0000-0000-0000-000000000000"
MAKE = (
    "select k.epoch from timestep.create_run_v1(%s, 'a', null, 'python', null, '\"x\"', 'hash',"
    " '{{}}', null, null, null) c cross join lateral"
    " timestep.claim_run_v1(case when c.created then %s end, %s, 'python', 0, null, %s) k"
).replace("{{}}", "{}")


class Journals:
    """Runs of one process, with their journals."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.writer = JournalWriter(database)

    async def of(self, run_id: str) -> Journal:
        rows = await self.database.fetch(MAKE, run_id, run_id, NOBODY, run_id)
        return Journal(self.database, run_id, rows[0]["epoch"], self.writer)

    async def with_a_pipeline(self) -> Journal:
        """Return the journal of a run whose last step was written by the event loop."""
        run = await self.of("r")
        for number in (1, 2):
            await has_written(run, model(number))
        return run


@pytest.fixture
async def journals(database_url: str) -> AsyncGenerator[Journals]:
    made = Journals(await open_database(database_url))
    yield made
    made.writer.close()


def tool(number: int, **fields: str) -> Step:
    body = {"output": str(number)}
    fields = {"key": f"t:/c{number}", "name": "look", **fields}
    return Step(kind="tool", agent="a", call_id=f"c{number}", body=body, **fields)


def model(number: int) -> Step:
    return Step(key=f"m::{number}", kind="model", agent="a", name="m", body={"output": []})


async def has_written(run: Journal, step: Step) -> None:
    run.record(step)
    await run.settled()


async def blocked(journals: Journals, url: str, act: Callable[[], object]) -> None:
    """Do something while a step of another run keeps the writer busy."""
    other = await journals.of("other")
    with psycopg.connect(url) as connection:
        connection.execute("select from timestep.runs where run_id = 'other' for update")
        other.record(tool(0))
        act()
        await asyncio.sleep(0)
    await other.settled()


async def test_steps_that_wait_together_share_a_commit(
    journals: Journals, database_url: str
) -> None:
    runs = [await journals.of(f"r{n}") for n in range(5)]
    steps = [(run, tool(n)) for n in range(1, 5) for run in runs]

    def write() -> None:
        for run, step in steps:
            run.record(step)

    await blocked(journals, database_url, write)
    await asyncio.gather(*(run.settled() for run in runs))
    written = "select count(*), count(distinct xmin::text) from timestep.steps where key <> 't:/c0'"
    assert execute(database_url, written) == [(20, 1)]


async def test_a_step_that_is_refused_does_not_hinder_the_others(
    journals: Journals, database_url: str
) -> None:
    kept, lost = await journals.of("kept"), await journals.of("lost")
    lost.epoch += 1

    def write() -> None:
        for journal in (lost, kept):
            journal._unsettled.append(journal.writer.write(lambda j=journal: j._row(tool(1), None)))

    await blocked(journals, database_url, write)
    await kept.settled()
    with pytest.raises(RunOwnershipLostError):
        await lost.settled()
    written = "select run_id from timestep.steps where key = 't:/c1'"
    assert execute(database_url, written) == [("kept",)]


async def test_a_step_that_cannot_be_written_does_not_hinder_the_others(
    journals: Journals, database_url: str
) -> None:
    good, bad = await journals.of("good"), await journals.of("bad")

    def write() -> None:
        bad.record(tool(1, key="t:/\0"))
        bad.record(model(1))
        good.record(tool(1))

    await blocked(journals, database_url, write)
    await good.settled()
    with pytest.raises(psycopg.DataError):
        await bad.settled()
    assert not bad.lost, "it can still be written that the run has failed"
    written = "select run_id from timestep.steps where run_id <> 'other'"
    assert execute(database_url, written) == [("good",)], "nothing follows what is not written"


async def test_nothing_follows_a_step_that_failed_meanwhile(
    journals: Journals, database_url: str
) -> None:
    bad = await journals.of("bad")
    many = [await journals.of(f"r{number}") for number in range(60)]

    def write() -> None:
        bad.record(tool(1, key="t:/\0"))
        for run in many:  # so many that what comes after them is not in the same commit
            run.record(tool(1))
        bad.record(model(1))

    await blocked(journals, database_url, write)
    await asyncio.gather(*(run.settled() for run in many))
    await bad.quiet()
    written = "select count(*) from timestep.steps where run_id = 'bad'"
    assert execute(database_url, written) == [(0,)]


async def test_nothing_is_written_before_the_result_of_a_tool(
    journals: Journals, database_url: str
) -> None:
    run = await journals.of("r")
    with psycopg.connect(database_url) as connection:
        connection.execute("select from timestep.runs where run_id = 'r' for update")
        run.record(tool(1))  # returns, although nothing can be written
        run.record(model(1))
        answer = asyncio.ensure_future(run.settled())
        begun = asyncio.ensure_future(run.begin(tool(2)))
        await asyncio.sleep(0.2)
        assert not answer.done()
        assert not begun.done()
        connection.execute("update timestep.runs set epoch = epoch + 1 where run_id = 'r'")
    for waiting in (answer, begun):
        with pytest.raises(RunOwnershipLostError):
            await waiting
    assert run.lost
    assert execute(database_url, "select count(*) from timestep.steps") == [(0,)]


WRITERS = "query like 'select timestep.record_step_v2($1%'"
TERMINATE = f"select count(pg_terminate_backend(pid)) from pg_stat_activity where {WRITERS}"


async def test_a_connection_that_was_lost_while_idle_is_replaced(
    journals: Journals, database_url: str
) -> None:
    run = await journals.with_a_pipeline()
    for number in (3, 4, 5):
        assert execute(database_url, TERMINATE) == [(int(number != 4),)]  # 3 went by the thread
        await has_written(run, model(number))
    assert execute(database_url, "select count(*) from timestep.steps") == [(5,)]


async def test_a_step_whose_connection_was_lost_is_written_once(
    journals: Journals, database_url: str
) -> None:
    run = await journals.with_a_pipeline()
    with psycopg.connect(database_url) as connection:
        connection.execute("select from timestep.runs where run_id = 'r' for update")
        for number in (1, 2):
            run.record(tool(number))
        await asyncio.to_thread(until, lambda: execute(database_url, TERMINATE) == [(1,)])
    await run.settled()
    written = "select key from timestep.steps where kind = 'tool' order by key"
    assert execute(database_url, written) == [("t:/c1",), ("t:/c2",)]


async def test_a_step_larger_than_what_a_socket_takes(
    journals: Journals, database_url: str
) -> None:
    run = await journals.with_a_pipeline()
    large = Step(
        key="t:/c3", kind="tool", agent="a", name="look", call_id="c3",
        body={"output": "x" * 20_000_000},
    )  # fmt: skip
    run.record(large)
    await has_written(run, model(3))
    lengths = "select length(body) from timestep.steps where key = 't:/c3'"
    assert execute(database_url, lengths) == [(20_000_000 + len('{"output":""}'),)]


class LoopWithoutSockets(asyncio.SelectorEventLoop):
    """An event loop that cannot be asked to watch a socket, as the one of Windows."""

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> None:
        raise NotImplementedError


def test_an_event_loop_that_watches_no_sockets(database_url: str) -> None:
    async def write() -> None:
        journals = Journals(await open_database(database_url))
        run = await journals.of("r")
        for number in (1, 2, 3):
            await has_written(run, model(number))
        journals.writer.close()

    with asyncio.Runner(loop_factory=LoopWithoutSockets) as runner:
        runner.run(write())
    assert execute(database_url, "select count(*) from timestep.steps") == [(3,)]


def test_an_event_loop_that_ends_leaves_no_connection(database_url: str) -> None:
    async def write(key: int) -> Journals:
        made = Journals(await open_database(database_url))
        run = await made.of(f"r{key}")
        for number in (1, 2):
            await has_written(run, model(number))
        return made

    for key in (1, 2):
        journals = asyncio.run(write(key))
        journals.writer.close()
    assert execute(database_url, TERMINATE) == [(0,)]
