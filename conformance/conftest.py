"""One driver of each language, one model server and one database for all scenarios."""

# What the tests of the Python package share is found by pytest alone.

import functools
from collections.abc import Callable, Iterator

import pytest
from support.postgres import (
    empty_database_url,
    migrated_template,
    new_database,
    no_database_by_accident,
    postgres_server,
)
from timestep.testing import ModelServer

from .play import LANGUAGES, Play, World, play
from .processes import Driver, DriverProcess

__all__ = ["empty_database_url", "migrated_template", "no_database_by_accident", "postgres_server"]

Alone = Callable[..., Play]


@pytest.fixture(scope="session")
def alone(world: World) -> Alone:
    """Plays a scenario in one language; each only once."""

    def once(name: str, letter: str, *, stream: bool, decided_by: str = "reader") -> Play:
        return kept(name, letter, stream, decided_by)

    @functools.cache
    def kept(name: str, letter: str, stream: bool, decided_by: str) -> Play:
        return play(world, name, letter, stream=stream, decided_by=decided_by)

    return once


@pytest.fixture(scope="session")
def database(postgres_server: str, migrated_template: str) -> Iterator[str]:
    """The address of the database that all scenarios share."""
    with new_database(postgres_server, template=migrated_template) as url:
        yield url


@pytest.fixture(scope="session")
def model_server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="session")
def world(database: str, model_server: ModelServer) -> Iterator[World]:
    drivers: dict[str, Driver] = {
        language: DriverProcess(language) for language in LANGUAGES.values()
    }
    yield World(drivers, model_server, database)
    for driver in drivers.values():
        driver.close()
