"""Agents that outlive their process and their language.

The names are loaded when they are first used: the command line and the database layer need not wait
for the Agents SDK.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from timestep.errors import (
    AgentMismatchError,
    ApprovalConflictError,
    ArgumentsChangedError,
    ConfigurationError,
    DatabaseTooNewError,
    DatabaseUnavailableError,
    NotDurableError,
    NotPortableError,
    RunOwnershipLostError,
    RunStateNotFoundError,
    StateConflictError,
    TimestepError,
)

if TYPE_CHECKING:
    from timestep.models import MultiModelProvider, MultiModelProviderMap, OllamaModelProvider
    from timestep.run_state.store import RunStateStore
    from timestep.runner import default_result_processor, run_agent
    from timestep.session import Session
    from timestep.tools import web_search

__all__ = [
    "AgentMismatchError",
    "ApprovalConflictError",
    "ArgumentsChangedError",
    "ConfigurationError",
    "DatabaseTooNewError",
    "DatabaseUnavailableError",
    "MultiModelProvider",
    "MultiModelProviderMap",
    "NotDurableError",
    "NotPortableError",
    "OllamaModelProvider",
    "RunOwnershipLostError",
    "RunStateNotFoundError",
    "RunStateStore",
    "Session",
    "StateConflictError",
    "TimestepError",
    "default_result_processor",
    "run_agent",
    "web_search",
]

_HOME = {
    "MultiModelProvider": "timestep.models",
    "MultiModelProviderMap": "timestep.models",
    "OllamaModelProvider": "timestep.models",
    "RunStateStore": "timestep.run_state.store",
    "Session": "timestep.session",
    "default_result_processor": "timestep.runner",
    "run_agent": "timestep.runner",
    "web_search": "timestep.tools",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'timestep' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
