"""Models for tests: the scripted server, and agents that ask it."""

from collections.abc import Iterator

import pytest
from agents import set_tracing_disabled
from timestep.models import default
from timestep.testing import ModelServer

_FOREIGN = (
    "OPENAI_API_KEY",
    "OPENAI_ADMIN_KEY",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
    "OPENAI_BASE_URL",
    "OPENAI_CUSTOM_HEADERS",
    "OPENAI_DEFAULT_MODEL",
    "OLLAMA_API_KEY",
    "OLLAMA_HOST",
    "FIRECRAWL_API_KEY",
    "FIRECRAWL_API_URL",
)


@pytest.fixture(scope="session")
def model_server() -> Iterator[ModelServer]:
    """One scripted model server for all tests; each has a script of its own."""
    with ModelServer() as server:
        yield server


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _FOREIGN:
        monkeypatch.delenv(name, raising=False)
    set_tracing_disabled(True)


async def close_default_provider() -> None:
    """Close the connections of runs that named no provider; the next run makes a new one."""
    await default.default_provider().aclose()
    default._provider.cache_clear()
