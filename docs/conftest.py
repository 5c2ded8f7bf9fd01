"""Every sample of the documentation is a test: see _samples/pages.py for what a page may hold."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgres import migrated_template, no_database_by_accident, postgres_server
from sybil import Document, Example, Region, Sybil
from timestep.testing import ModelServer

from ._samples.pages import read
from ._samples.run import Interpreters, Page, SampleError

__all__ = ["migrated_template", "no_database_by_accident", "postgres_server"]


class Documentation:
    """What all pages share."""

    def __init__(self, server: ModelServer, postgres: str, template: str) -> None:
        self.interpreters = Interpreters()
        self._server = server
        self._database = (postgres, template)

    def open(self, name: str) -> Page:
        """Prepare a page."""
        return Page(name, self.interpreters, self._server, self._database)


@pytest.fixture(scope="session")
def documentation(
    postgres_server: str,
    migrated_template: str,
) -> Iterator[Documentation]:
    with ModelServer() as server:
        documentation = Documentation(server, postgres_server, migrated_template)
        yield documentation
        documentation.interpreters.close()


def samples(document: Document) -> Iterator[Region]:
    """Yield the samples of a page for the test runner."""
    for sample in read(document.text):
        if sample.kind != "signature":
            yield Region(sample.start, sample.end, sample, evaluate)


def evaluate(example: Example) -> str | None:
    """Run one sample; a text says what is wrong."""
    names = example.namespace
    if "page" not in names:
        names["page"] = names["documentation"].open(Path(example.path).stem)
    try:
        names["page"].run(example.parsed)
    except SampleError as error:
        return str(error)
    return None


def close(names: dict[str, object]) -> None:
    """Close the page."""
    page = names.pop("page", None)
    if isinstance(page, Page):
        page.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the samples of a page in order and in one process."""
    for item in items:
        if item.path.suffix == ".md":
            item.add_marker(pytest.mark.xdist_group(str(item.path)))


pytest_collect_file = Sybil(
    parsers=[samples],
    pattern="*.md",
    fixtures=["documentation", "no_database_by_accident"],
    teardown=close,
).pytest()
