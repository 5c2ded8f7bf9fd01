"""Durable runs against the SDK's own runner, and what they write."""

import asyncio
import gc
import os
import time
from asyncio.events import Handle
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agents import Runner
from counting import counter
from figures import ratio, show, wanted
from support.postgres import execute
from timestep import cleanup_dbos, configure_dbos, ensure_dbos_launched, run_agent_workflow

RUN = "python durable run"
COMMITS = "python durable commits per model call and tool call"
WRITTEN = "python durable written per turn"
CROWD = "python durable crowd of 200"
CROWD_SIZE = 200
WAL = "select pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
WRITES = "select pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
CONNECTIONS = "select count(*) from pg_stat_activity where datname = current_database()"


def figures(url: str) -> None:
    """Print the figures of durable runs that nothing disturbs."""
    if any(map(wanted, (RUN, COMMITS, WRITTEN, CROWD))):
        asyncio.run(_figures(url))


async def _figures(url: str) -> None:
    configure_dbos("bench")
    ensure_dbos_launched()
    try:
        await _against_the_runner()
        await _written(url)
        await _crowd(url)
    finally:
        cleanup_dbos()


async def _against_the_runner() -> None:
    if not wanted(RUN):
        return
    for turns, rounds, latency, bound in ((10, 60, 0, 1.5), (200, 3, 0, 1.1), (10, 8, 0.05, 1.03)):
        slow = f", {latency * 1000:.0f} ms per model call" if latency else ""
        work, plain = _durable(turns, latency=latency), _plain(turns, latency=latency)
        show(f"{RUN}, {turns} turns{slow}", await ratio(work, plain, rounds=rounds), bound)


async def _written(url: str) -> None:
    if wanted(COMMITS):
        await _durable(1)()
        base = min([await _growth(url, WRITES, _durable(1)) for _ in range(3)])
        calls = 50 + 49 - 1
        grown = min([await _growth(url, WRITES, _durable(50)) for _ in range(3)]) - base
        show(COMMITS, grown / calls, 1, "commits")
    if wanted(WRITTEN):
        for turns, rounds in ((10, 20), (200, 2), (1000, 1)):
            work = _durable(turns)
            grown = min([await _growth(url, WAL, work) for _ in range(rounds)])
            show(f"{WRITTEN}, {turns} turns", grown / turns / 1000, 2.2, "KB")


async def _crowd(url: str) -> None:
    """Many runs at once in one process."""
    if not wanted(CROWD):
        return
    work, plain = _durable(10, latency=0.05), _plain(10, latency=0.05)
    measured: dict[str, list[float]] = {"durable": [], "plain": []}
    for _ in range(3):
        measured["plain"].append(await _processor_time(_at_once(plain)))
        measured["durable"].append(await _processor_time(_at_once(work)))
    with _longest_callback() as longest:
        running = asyncio.ensure_future(_at_once(work)())
        await asyncio.sleep(0.5)
        [(connections,)] = await asyncio.to_thread(execute, url, CONNECTIONS)
        await running
    processor = min(measured["durable"]) / min(measured["plain"])
    show(f"{CROWD}: processor time", processor, 1.3)
    show(f"{CROWD}: connections", connections - 1, 20, "connections")
    show(f"{CROWD}: longest block", longest[-1] * 1000, 20, "ms")


def _durable(turns: int, **options: Any) -> Callable[[], Awaitable[Any]]:
    agent = counter(turns, **options)
    return lambda: run_agent_workflow(agent, "go", max_turns=turns + 1)


def _plain(turns: int, **options: Any) -> Callable[[], Awaitable[Any]]:
    agent = counter(turns, **options)
    return lambda: Runner.run(agent, "go", max_turns=turns + 1)


def _at_once(work: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    return lambda: asyncio.gather(*(work() for _ in range(CROWD_SIZE)))


async def _growth(url: str, counter_of_server: str, work: Callable[[], Awaitable[Any]]) -> int:
    """Return by how much a counter of the server grows with some work."""
    before = execute(url, counter_of_server)[0][0]
    await work()
    return int(execute(url, counter_of_server)[0][0] - before)


async def _processor_time(work: Callable[[], Awaitable[Any]]) -> float:
    """Return the seconds of processor time that work takes, those of all threads."""
    begun = time.process_time()
    await work()
    return time.process_time() - begun


@contextmanager
def _longest_callback() -> Iterator[list[float]]:
    """Note the seconds of ever longer callbacks of the event loop.

    What the machine's other programs take is left out: a callback that waits for a processor blocks
    nothing by itself. So are collections of Python's garbage, which block any program as long.
    """
    times = [0.0]
    run = Handle._run
    with Path("/proc/thread-self/schedstat").open("rb", buffering=0) as scheduler:

        def waited() -> float:
            return int(os.pread(scheduler.fileno(), 100, 0).split()[1]) / 1e9

        def timed(self: Handle) -> None:
            begun, waited_before = time.perf_counter(), waited()
            run(self)
            took = time.perf_counter() - begun
            if took > times[-1] and Handle._run is timed:  # else it ended the measurement
                times.append(max(times[-1], took - (waited() - waited_before)))

        gc.collect()
        gc.disable()
        Handle._run = timed
        try:
            yield times
        finally:
            Handle._run = run
            gc.enable()
