"""A world of its own for each file: a database, and a worker of each language that stays."""

# What the tests of the Python package share is found by pytest alone.

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgres import new_database
from timestep.testing import ModelServer

from ..processes import Driver
from .world import LANGUAGES, Spares, World


@pytest.fixture(scope="session")
def spares() -> Iterator[Spares]:
    spares = Spares(ahead=2)
    yield spares
    spares.close()


@pytest.fixture(scope="module")
def world(
    postgres_server: str,
    migrated_template: str,
    model_server: ModelServer,
    spares: Spares,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    journal: Path = tmp_path_factory.mktemp("tools") / "journal"
    journal.touch()
    with new_database(postgres_server, template=migrated_template) as url:
        world = World(url, model_server, journal, spares)
        yield world
        world.dismiss()


@pytest.fixture(scope="module")
def staff(world: World) -> dict[str, Driver]:
    """A worker of each language."""
    return {language: world.hire(language) for language in LANGUAGES}
