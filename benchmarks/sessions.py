"""Conversations: `run_agent` with `Session` against the SDK's runner with its own SQL session."""

import time
from typing import Any

from agents import Runner
from agents.extensions.memory import SQLAlchemySession
from agents_and_scripts import AGENT, DONE
from figures import show, wanted
from timestep import Session, run_agent
from timestep.database import open_database
from timestep.models.default import default_provider
from timestep.testing import ModelServer

RUNS = 50
ROUNDS = 5


async def figures(server: ModelServer, url: str) -> None:
    """Print the figures of sessions."""
    if wanted("python run_agent"):
        await _speed(server, url)
    if wanted("python bytes"):
        await _growth(server)


async def _speed(server: ModelServer, url: str) -> None:
    times: dict[str, list[list[float]]] = {"ours": [], "theirs": []}
    for n in range(ROUNDS):
        theirs = SQLAlchemySession.from_url(
            f"bench-{n}",
            url=url.replace("postgresql://", "postgresql+psycopg://"),
            create_tables=True,
        )
        times["theirs"].append(await _converse(server, theirs, plain=True))
        await theirs.engine.dispose()
        times["ours"].append(await _converse(server, Session(), plain=False))
    name = f"python run_agent with Session, {RUNS} runs"
    show(name, _fastest(times["ours"]) / _fastest(times["theirs"]), 1.0)


def _fastest(rounds: list[list[float]]) -> float:
    """Return how long a conversation takes of which each run is the fastest of all rounds."""
    return sum(map(min, *rounds))


async def _converse(server: ModelServer, session: Any, *, plain: bool) -> list[float]:
    server.script("bench", [{"output": [DONE]}] * (RUNS + 1))
    run = Runner.run if plain else run_agent
    await run(AGENT, "Hello", session=session)
    times: list[float] = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        await run(AGENT, "Hello", session=session)
        times.append(time.perf_counter() - begun)
    return times


async def _growth(server: ModelServer) -> None:
    """Compare what the tenth and the last ten runs of a conversation write."""
    database = await open_database()
    session = Session()
    server.script("bench", [{"output": [DONE]}] * (RUNS + 1))
    written: list[int] = []
    for _ in range(RUNS):
        before = await _position(database)
        await run_agent(AGENT, "Hello", session)
        written.append(await _position(database) - before)
    show(
        f"python bytes written by run {RUNS} against run 10",
        min(written[-10:]) / min(written[5:15]),
        1.1,
    )
    await default_provider().aclose()


async def _position(database: Any) -> int:
    rows = await database.fetch("select pg_current_wal_insert_lsn() - '0/0' as position")
    return int(rows[0]["position"])
