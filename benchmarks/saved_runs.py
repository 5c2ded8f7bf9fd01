"""Saving and loading against the SDK's own serialisation and one statement."""

import asyncio
from typing import Any

from agents import RunState
from agents_and_scripts import AGENT, paused
from figures import ratio, show, wanted
from timestep import RunStateStore
from timestep.database import Database, open_database
from timestep.testing import ModelServer

SIZES = {10: 300, 100: 80, 1000: 10}  # items: rounds


async def figures(server: ModelServer) -> None:
    """Print the figures of saved runs."""
    if not any(map(wanted, ("python save", "python load", "python size"))):
        return
    database = await open_database()
    await database.fetch("create table plain (id bigserial, a text, b text)")
    for items, rounds in SIZES.items():
        state = await paused(server, "bench", items=items)
        await _saving(database, state, items, rounds)
        await _loading(database, state, items, rounds)
    await _size(server, database)


async def _saving(database: Database, state: RunState[Any], items: int, rounds: int) -> None:
    if not wanted("python save"):
        return
    store = RunStateStore(AGENT, f"save-{items}")
    await store.save(state)
    written = await _texts(database, f"save-{items}")

    async def save() -> None:
        # a session of its own each time: the same state saved twice is not written twice
        await RunStateStore(AGENT).save(state)

    async def plain() -> None:
        state.to_string()
        await database.fetch("insert into plain (a, b) values (%s, %s)", *written)

    show(f"python save, {items} items", await ratio(save, plain, rounds=rounds), 1.5)


async def _loading(database: Database, state: RunState[Any], items: int, rounds: int) -> None:
    if not wanted("python load"):
        return
    session_id = f"load-{items}"
    store = RunStateStore(AGENT, session_id)
    await store.save(state)

    async def plain() -> None:
        rows = await database.fetch(
            "select native from timestep.run_states where session_id = %s", session_id
        )
        await RunState.from_string(AGENT, rows[0]["native"])

    show(f"python load, {items} items", await ratio(store.load, plain, rounds=rounds), 1.1)
    await database.fetch(
        "update timestep.run_states set writer_language = 'typescript' where session_id = %s",
        session_id,
    )
    name = f"python load of the other language's, {items} items"
    show(name, await ratio(store.load, plain, rounds=rounds), 1.6)


async def _size(server: ModelServer, database: Database) -> None:
    if not wanted("python size"):
        return
    state = await paused(server, "bench", items=200, argument="5000")
    await RunStateStore(AGENT, "size").save(state)
    _, envelope = await _texts(database, "size")
    await asyncio.sleep(0)
    show("python size of 100 outputs of 5 KB", len(envelope) / (100 * 5000), 1.2)


async def _texts(database: Database, session_id: str) -> tuple[str, str]:
    rows = await database.fetch(
        "select native, envelope from timestep.run_states where session_id = %s", session_id
    )
    return rows[0]["native"], rows[0]["envelope"]
