"""One driver of each language, one model server and one database for all scenarios."""

import os
from collections.abc import Iterator

import psycopg
import pytest

from timestep.testing import ModelServer

from .play import World
from .processes import DriverProcess


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    base = os.environ["PG_CONNECTION_URI"]
    name = f"x_conformance_{os.getpid()}"
    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
    yield base.rsplit("/", 1)[0] + "/" + name
    with psycopg.connect(base, autocommit=True) as connection:
        connection.execute(f'drop database "{name}" with (force)')


@pytest.fixture(scope="session")
def model_server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="session")
def world(database: str, model_server: ModelServer) -> Iterator[World]:
    drivers = {language: DriverProcess(language) for language in ("python", "typescript")}
    for driver in drivers.values():
        assert driver.ask("open", session_id="first", database=database).error is None
    yield World(drivers, model_server, database)
    for driver in drivers.values():
        driver.close()
