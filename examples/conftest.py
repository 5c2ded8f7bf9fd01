"""A model server and a database for the examples."""

from collections.abc import Iterator

import pytest
from support.postgres import (
    database_url,
    migrated_template,
    no_database_by_accident,
    postgres_server,
)
from timestep.testing import ModelServer

__all__ = ["database_url", "migrated_template", "no_database_by_accident", "postgres_server"]


@pytest.fixture(scope="session")
def model_server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        yield server
