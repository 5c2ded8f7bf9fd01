"""Agents that outlive their process and their language."""

from timestep.errors import (
    AgentMismatchError,
    ConfigurationError,
    DatabaseTooNewError,
    DatabaseUnavailableError,
    NotPortableError,
    RunStateNotFoundError,
    StateConflictError,
    TimestepError,
)
from timestep.models import MultiModelProvider, MultiModelProviderMap, OllamaModelProvider
from timestep.run_state.store import RunStateStore
from timestep.runner import default_result_processor, run_agent
from timestep.session import Session
from timestep.tools import web_search

__all__ = [
    "AgentMismatchError",
    "ConfigurationError",
    "DatabaseTooNewError",
    "DatabaseUnavailableError",
    "MultiModelProvider",
    "MultiModelProviderMap",
    "NotPortableError",
    "OllamaModelProvider",
    "RunStateNotFoundError",
    "RunStateStore",
    "Session",
    "StateConflictError",
    "TimestepError",
    "default_result_processor",
    "run_agent",
    "web_search",
]
