"""One form for every way to write a PostgreSQL address, read alike by every driver.

The rules are the rows of spec/vectors/connection_uris. No message ever repeats the address:
what looks like a port or a parameter may be half of a password.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_to_bytes

from timestep import settings
from timestep.errors import ConfigurationError

EXPECTED = "expected postgresql://user:password@host:port/database"
ESCAPES = "Inside a user or password write @ as %40, / as %2F, ? as %3F, # as %23 and % as %25."
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
PLACES = {
    "user": "before the @",
    "password": "before the @",
    "host": "after the @",
    "hostaddr": "after the @",
    "port": "after the @",
    "dbname": "after the /",
}
PARAMETERS = (
    "application_name",
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "fallback_application_name",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "options",
    "require_auth",
    "sslcert",
    "sslcrl",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslpassword",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
)


@dataclass(frozen=True, kw_only=True)
class Address:
    """A PostgreSQL address in its one form.

    Attributes:
        url: The whole address, password included; never part of repr().
        display: Host, port and database, for people.
        connect_timeout: Longest wait for a connection, in whole seconds.
    """

    url: str = field(repr=False)
    display: str
    connect_timeout: int


def parse_address(written: str) -> Address:
    """Return the one form of an address that a person wrote.

    Args:
        written: The address, such as "postgres://ann:secret@db.example/shop?sslmode=require".

    Raises:
        ConfigurationError: It is not a TCP address of one PostgreSQL server.
    """
    rest = _after_scheme(written.strip())
    if "#" in rest:
        raise _refused(f"a # in it. {ESCAPES}")
    before, _, query = rest.partition("?")
    authority, _, path = before.partition("/")
    _check_at_signs(authority, path + query)
    parameters = _parameters(query)
    credentials, _, place = authority.rpartition("@")
    user, _, password = credentials.partition(":")
    host, port = _host_and_port(place)
    user = _decoded(user) or settings.database_user()
    database = _decoded(path) or settings.text("PGDATABASE") or user
    _check_database_name(database)
    timeout = _connect_timeout(parameters.pop("connect_timeout", None))
    url = build_url(
        user=user,
        password=_decoded(password),
        host=host,
        port=port,
        database=database,
        parameters=parameters,
    )
    return Address(url=url, display=f"{host}:{port}/{database}", connect_timeout=timeout)


def build_url(
    *,
    user: str,
    password: str | None = None,
    host: str,
    port: int,
    database: str,
    parameters: dict[str, str] | None = None,
) -> str:
    """Return the address made of these parts, each escaped."""
    secret = f":{_encoded(password)}" if password else ""
    return (
        f"postgresql://{_encoded(user)}{secret}@{host}:{port}/{_encoded(database)}"
        f"{_query(parameters or {})}"
    )


def _after_scheme(written: str) -> str:
    if not written:
        raise ConfigurationError(f"The database address is empty; {EXPECTED}.")
    scheme, separator, rest = written.partition("://")
    if not separator:
        if re.match(r"\w+\s*=", written):
            raise _refused("libpq's key=value form")
        raise _refused("no scheme")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.:_-]*", scheme):
        raise _refused("no scheme")
    if scheme.lower().partition("+")[0] not in ("postgres", "postgresql"):
        raise _refused(f"the scheme {scheme.lower()}")
    return rest


def _check_at_signs(authority: str, rest: str) -> None:
    cut_short = "@" in rest and "@" not in authority
    if cut_short or authority.count("@") > 1:
        raise _refused(f"an @ or a / too many. {ESCAPES}")


def _host_and_port(place: str) -> tuple[str, int]:
    if "," in place:
        raise _refused("several hosts; Timestep connects to one")
    if "%" in place or place.startswith("/"):
        raise _refused("a unix socket or an escaped host; Timestep connects over TCP")
    if place.startswith("["):
        host, closed, port = place.partition("]")
        if not closed or not re.fullmatch(r"\[[0-9A-Fa-f:.]+", host) or port[:1] not in ("", ":"):
            raise _refused("a wrong IPv6 address; write it as [::1] or [::1]:5432")
        return host.lower() + "]", _port(port[1:])
    if place.count(":") > 1:
        raise _refused("several colons in the host; write an IPv6 address as [::1]")
    host, _, port = place.partition(":")
    if not host:
        raise _refused("no host (a unix socket cannot be used; try localhost)")
    if not re.fullmatch(r"[A-Za-z0-9._-]+", host):
        raise _refused("a host with characters that no host name has")
    return host.lower(), _port(port)


def _port(written: str) -> int:
    if not written:
        return settings.default_port()
    if not (written.isascii() and written.isdigit() and 1 <= int(written) <= 65535):
        raise _refused("a port that is not a number from 1 to 65535")
    return int(written)


def _parameters(query: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for pair in filter(None, query.split("&")):
        name, equals, value = pair.partition("=")
        if name == "uselibpqcompat":
            continue
        if name == "host" and _decoded(value).startswith("/"):
            raise _refused("a unix socket; Timestep connects over TCP")
        if name in PLACES:
            raise _refused(f"the parameter {name}; it belongs {PLACES[name]}")
        if name not in PARAMETERS:
            shown = f"the parameter {name}" if re.fullmatch(r"[A-Za-z_]{1,40}", name) else "a name"
            raise _refused(f"{shown} that PostgreSQL's client library does not know")
        if not equals:
            raise _refused(f"the parameter {name} without a value")
        parameters[name] = _decoded(value)
    return _with_checked_ssl_mode(parameters)


def _with_checked_ssl_mode(parameters: dict[str, str]) -> dict[str, str]:
    mode = parameters.get("sslmode")
    if mode is None:
        return parameters
    if mode == "no-verify":
        return {**parameters, "sslmode": "require"}
    if mode not in SSL_MODES:
        raise _refused(f"an unknown sslmode; expected one of {', '.join(SSL_MODES)}")
    return parameters


def _connect_timeout(written: str | None) -> int:
    if written is None:
        return settings.default_connect_timeout()
    if not (written.isascii() and written.isdigit() and 1 <= int(written) <= 86400):
        raise _refused("a connect_timeout that is not a number of seconds from 1 to 86400")
    return int(written)


def _check_database_name(database: str) -> None:
    if found := set(database) & set(";/?:@&=+$,#"):
        raise _refused(
            f"a database name with {' '.join(sorted(found))}, which drivers read differently"
        )


def _query(parameters: dict[str, str]) -> str:
    if not parameters:
        return ""
    return "?" + "&".join(f"{name}={_encoded(value)}" for name, value in parameters.items())


def _decoded(escaped: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})", escaped):
        raise _refused(f"a % that starts no escape. {ESCAPES}")
    if "%00" in escaped or "\0" in escaped:
        raise _refused("a NUL (%00), which PostgreSQL cannot hold")
    try:
        return unquote_to_bytes(escaped).decode()
    except UnicodeDecodeError:
        # The cause would show the bytes, and they may be a password.
        raise _refused("escapes that are not UTF-8") from None


def _encoded(text: str) -> str:
    return quote(text, safe="")


def _refused(found: str) -> ConfigurationError:
    return ConfigurationError(f"The database address has {found}; {EXPECTED}.")
