"""What this process was told about durable runs, and the names that follow from it."""

import os
import re
import secrets
import socket
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypedDict, TypeVar

from agents import Agent, ModelProvider, RunConfig, RunHooks
from dbos import DBOSConfig

from timestep import settings
from timestep.database.address import parse_address
from timestep.database.resolve import use_dbos_connection
from timestep.durable.registry import register_agent
from timestep.durable.request import check_options
from timestep.errors import ConfigurationError

JOURNAL_VERSION = 1  # grows when journals of before can no longer be executed
LEASE_SECONDS = 30.0
DEFAULT_QUEUE = "agents"
SUFFIXES = {"python": "py", "typescript": "ts"}

T = TypeVar("T")


class Done(Generic[T]):
    """A value that is there already, and may be awaited all the same."""

    def __init__(self, value: T) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, None, T]:
        """Return the value at once."""
        return self.value
        yield


class QueueLimits(TypedDict, total=False):
    """What a queue allows.

    Attributes:
        concurrency: How many of its runs are executed at once, over all processes.
        worker_concurrency: How many of them one process executes at once.
        polling_seconds: How often a process looks for work (0.2).
    """

    concurrency: int
    worker_concurrency: int
    polling_seconds: float


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """Everything that `configure_dbos` takes."""

    name: str
    system_database_url: str | None = None
    executor_id: str | None = None
    lease_seconds: float = LEASE_SECONDS
    queues: Mapping[str, QueueLimits] = field(default_factory=dict[str, QueueLimits])
    model_provider: ModelProvider | None = None
    run_config: RunConfig | None = None
    hooks: RunHooks[Any] | None = None
    dbos_options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def application(self) -> str:
        """The name of this application in DBOS."""
        return application_of(self.name, "python")

    @property
    def application_version(self) -> str:
        """The version under which DBOS hands work to processes of any release."""
        return f"{self.application}@journal-{JOURNAL_VERSION}"

    def queue(self, name: str | None, language: str = "python") -> str:
        """Return the name in DBOS of a queue of one of the two languages."""
        return f"{application_of(self.name, language)}.{name or DEFAULT_QUEUE}"


def application_of(name: str, language: str) -> str:
    """Return the DBOS application of a language."""
    return f"{name}-{SUFFIXES[language]}"


def configure_dbos(
    name: str | None = None,
    *,
    system_database_url: str | None = None,
    agents: Iterable[Agent[Any]] = (),
    executor_id: str | None = None,
    model_provider: ModelProvider | None = None,
    run_config: RunConfig | None = None,
    hooks: RunHooks[Any] | None = None,
    queues: Mapping[str, QueueLimits] | None = None,
    lease_seconds: float | None = None,
    **dbos_options: Any,
) -> Done[None]:
    """Say how durable runs are executed in this process; may be awaited.

    Connects to nothing. Called again it may add agents, and say the same, but nothing else.

    Args:
        name: The application, shared by every process of both languages that may finish each
            other's runs: a-z, 0-9, `_` and `-` (None: `TIMESTEP_APP_NAME`, else "timestep").
        system_database_url: The PostgreSQL of DBOS, and of everything else where
            `PG_CONNECTION_URI` names none (None: the one that Timestep finds).
        agents: The agents whose runs this process may take over or take from a queue. Agents
            that are run here are known without it.
        executor_id: A name for this process that stays the same when it is started again, such
            as that of a pod: its runs go on at once then (None: `DBOS__VMID`, else a new one).
        model_provider: For runs that this process takes over or from a queue (None: as for
            `run_agent`).
        run_config: For the same runs (None).
        hooks: For the same runs (None).
        queues: Limits of queues, by name (None: every queue is unlimited).
        lease_seconds: For how long this process may be silent before another one takes over its
            runs, 1 or more (None: 30).
        **dbos_options: Further fields of `dbos.DBOSConfig`.

    Raises:
        ConfigurationError: A value cannot be used, or contradicts an earlier call.
        TypeError: There is no option of a name that was given.
    """
    _check_names(dbos_options)
    for limits in (queues or {}).values():
        check_options(limits, QueueLimits)
    for agent in agents:
        register_agent(agent)
    given = {
        "name": None if name is None else _checked_name(name, "name"),
        "system_database_url": _checked_url(system_database_url),
        "executor_id": executor_id,
        "model_provider": model_provider,
        "run_config": run_config,
        "hooks": hooks,
        "queues": queues,
        "lease_seconds": None if lease_seconds is None else _checked_lease(lease_seconds),
        "dbos_options": dbos_options or None,
    }
    _configure({field: value for field, value in given.items() if value is not None})
    return Done(None)


def _check_names(dbos_options: Iterable[str]) -> None:
    """Refuse what neither Timestep nor DBOS takes: a misspelled name would be left out."""
    for name in set(dbos_options) - set(DBOSConfig.__annotations__):
        ours = ", ".join(("agents", *Configuration.__annotations__))
        raise TypeError(
            f"There is no option {name!r}; there are {ours.removesuffix(', dbos_options')} and the"
            " fields of dbos.DBOSConfig."
        )


_current: Configuration | None = None


def configuration() -> Configuration:
    """Return what was configured, or the defaults, which are configured by it."""
    return _current or _configure({})


def forget_configuration() -> None:
    """Let `configure_dbos` start anew."""
    global _current
    if _current is not None and _current.system_database_url is not None:
        use_dbos_connection(None)
    _current = None


def new_executor_id() -> str:
    """Return an id that no other process has."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"


def _configure(given: dict[str, Any]) -> Configuration:
    global _current
    if _current is None:
        name = given.pop("name", None) or _name_from_settings()
        _current = Configuration(name=name, **given)
        if _current.system_database_url is not None:
            use_dbos_connection(_current.system_database_url)
        return _current
    for field_name, value in given.items():
        found = getattr(_current, field_name)
        if found != value:
            shown = "" if "url" in field_name else f": it is {found!r}, now {value!r} was given"
            raise ConfigurationError(
                f"configure_dbos() was called before with another {field_name}{shown}. Configure"
                " once per process, or call cleanup_dbos() first."
            )
    return _current


def _name_from_settings() -> str:
    name = settings.text("TIMESTEP_APP_NAME")
    return "timestep" if name is None else _checked_name(name, "TIMESTEP_APP_NAME")


def _checked_name(name: str, where: str) -> str:
    if not re.fullmatch(r"[a-z0-9_-]{1,200}", name):
        raise ConfigurationError(
            f"{where} is {name!r}; expected 1 to 200 of the characters a-z, 0-9, _ and -."
        )
    return name


def _checked_url(url: str | None) -> str | None:
    try:
        return None if url is None else parse_address(url).url
    except ConfigurationError as error:
        raise ConfigurationError(f"system_database_url: {error}") from None


def _checked_lease(seconds: float) -> float:
    if not 1 <= seconds <= 3600:
        raise ConfigurationError(f"lease_seconds is {seconds}; expected 1 to 3600 seconds.")
    return float(seconds)
