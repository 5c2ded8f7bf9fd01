"""Opens the database, notes its name in a table, holds on as long as it is told, and ends."""

import asyncio
import sys
from contextlib import suppress

import psycopg
from timestep.database import open_database


async def main(name: str, hold: str, end: str) -> None:
    database = await open_database()
    # Two may create it at the same instant: PostgreSQL's own answer to that is an error.
    with suppress(psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable):
        await database.fetch("create table if not exists public.visits (name text primary key)")
    await database.fetch("insert into public.visits (name) values (%s)", name)
    sys.stdout.write(f"wrote {name} at {database.location.url}\n")
    sys.stdout.flush()
    if hold == "released":
        await asyncio.to_thread(sys.stdin.read)
    else:
        await asyncio.sleep(int(hold) / 1000)
    await database.fetch("select 1")
    if end == "close":
        await database.close()


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3]))
