"""Steps of many runs, written by one thread in as few commits as can be."""

import asyncio
from collections.abc import Callable

import psycopg
import pytest
from support.postgres import execute
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


@pytest.fixture
async def journals(database_url: str) -> Journals:
    return Journals(await open_database(database_url))


def tool(number: int, **fields: str) -> Step:
    body = {"output": str(number)}
    fields = {"key": f"t:/c{number}", "name": "look", **fields}
    return Step(kind="tool", agent="a", call_id=f"c{number}", body=body, **fields)


def model(number: int) -> Step:
    return Step(key=f"m::{number}", kind="model", agent="a", name="m", body={"output": []})


async def blocked(journals: Journals, url: str, act: Callable[[], object]) -> None:
    """Do something while a step of another run keeps the writer busy."""
    other = await journals.of("other")
    with psycopg.connect(url) as connection:
        connection.execute("select from timestep.runs where run_id = 'other' for update")
        await other.record(tool(0))
        act()
        await asyncio.sleep(0)
    await other.settled()


async def test_steps_that_wait_together_share_a_commit(
    journals: Journals, database_url: str
) -> None:
    runs = [await journals.of(f"r{n}") for n in range(5)]
    steps = [(run, tool(n)) for n in range(1, 5) for run in runs]
    tasks: list[asyncio.Task[None]] = []
    await blocked(
        journals, database_url,
        lambda: tasks.extend(asyncio.ensure_future(run.record(step)) for run, step in steps),
    )  # fmt: skip
    await asyncio.gather(*tasks)
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
    tasks: list[asyncio.Task[None]] = []

    def write() -> None:
        tasks.append(asyncio.ensure_future(bad.record(tool(1, key="t:/\0"))))
        tasks.append(asyncio.ensure_future(good.record(tool(1))))

    await blocked(journals, database_url, write)
    await asyncio.gather(*tasks)
    await good.settled()
    with pytest.raises(psycopg.DataError):
        await bad.settled()
    assert not bad.lost, "it can still be written that the run has failed"


async def test_nothing_is_written_before_the_result_of_a_tool(
    journals: Journals, database_url: str
) -> None:
    run = await journals.of("r")
    with psycopg.connect(database_url) as connection:
        connection.execute("select from timestep.runs where run_id = 'r' for update")
        await run.record(tool(1))  # returns, although nothing can be written
        answer = asyncio.ensure_future(run.record(model(1)))
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
