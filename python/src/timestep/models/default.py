"""The provider of runs that name none: one for all of them, so that connections are kept open."""

from functools import lru_cache

from agents.models import _openai_shared  # pyright: ignore[reportPrivateUsage]

from timestep import settings
from timestep.models.routing import MultiModelProvider

_READ = (
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_ORG_ID",
    "OPENAI_PROJECT_ID",
    "OLLAMA_API_KEY",
    "OLLAMA_HOST",
)


def default_provider() -> MultiModelProvider:
    """Return `MultiModelProvider()`, the same as long as what it reads is the same."""
    return _provider(
        tuple(settings.text(name) for name in _READ),
        _openai_shared.get_default_openai_key(),
        _openai_shared.get_default_openai_client(),
        _openai_shared.get_use_responses_by_default(),
    )


@lru_cache(maxsize=4)
def _provider(*_read: object) -> MultiModelProvider:
    return MultiModelProvider()
