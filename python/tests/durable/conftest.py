"""What the tests of durable runs share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.durable import WORKER, Company
from support.forkserver import ForkServer
from timestep.testing import ModelServer


@pytest.fixture(scope="session")
def model_server() -> Iterator[ModelServer]:
    """One scripted model server for all tests; each has a script of its own."""
    with ModelServer() as server:
        yield server


@pytest.fixture(scope="session")
def workers() -> Iterator[ForkServer]:
    """What worker processes are started by."""
    with ForkServer(WORKER) as server:
        yield server


@pytest.fixture
def company(
    database_url: str,
    model_server: ModelServer,
    workers: ForkServer,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Company:
    """A database, a model and workers."""
    name = "".join(c if c.isalnum() else "-" for c in request.node.name)
    return Company(database_url, model_server, workers, tmp_path, name)
