"""The packages, built once, and projects outside of this repository."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.packages import (
    NPM,
    UV,
    Packages,
    QuickStart,
    build,
    new_project,
    new_venv,
    read_quick_start,
    run,
)
from timestep.testing import ModelServer

Settings = dict[str, str]


@pytest.fixture(scope="session")
def outside() -> Iterator[Path]:
    """A folder that has nothing to do with this repository."""
    with tempfile.TemporaryDirectory(prefix="timestep-packages-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def packages(outside: Path) -> Packages:
    """The packages as they would be published."""
    (outside / "built").mkdir()
    return build(outside / "built")


@pytest.fixture(scope="session")
def quick_start() -> QuickStart:
    """The quick start of the documentation."""
    return read_quick_start()


@pytest.fixture(scope="session")
def newest(outside: Path, packages: Packages, quick_start: QuickStart) -> Path:
    """A project with both packages and the newest of all that they need, by uv and npm."""
    folder = new_project(outside / "newest")
    run([UV, "init", "--quiet", "--bare", "--no-workspace", "--python", sys.executable], folder)
    wheel = f"timestep[postgres,testing] @ {packages.wheel.as_uri()}"
    run([UV, "add", "--quiet", "--no-build", wheel], folder)
    run([NPM, "install", "--silent", packages.tarball], folder)
    quick_start.write(folder)
    return folder


@pytest.fixture(scope="session")
def lowest(outside: Path, packages: Packages, quick_start: QuickStart) -> Path:
    """A project with both packages and the lowest of all that they say they work with."""
    folder = new_project(outside / "lowest")
    python = new_venv(folder)
    install = [UV, "pip", "install", "--quiet", "--no-build", "--python", python]
    lowest = ["--resolution", "lowest-direct", *packages.requirements]
    run([*install, *lowest, packages.wheel], folder)
    run([NPM, "install", "--silent", packages.tarball, *packages.lowest_dependencies], folder)
    quick_start.write(folder)
    return folder


@pytest.fixture
def shop(database_url: str, quick_start: QuickStart) -> Iterator[Callable[[], Settings]]:
    """Returns the settings of a run of the quick start: a model that answers, a database."""
    with ModelServer() as server:

        def settings() -> Settings:
            server.script("quick-start", quick_start.steps)
            return {
                "PG_CONNECTION_URI": database_url,
                "OPENAI_API_KEY": server.api_key("quick-start"),
                "OPENAI_BASE_URL": server.url,
                "OPENAI_AGENTS_DISABLE_TRACING": "1",
            }

        yield settings
