"""The only reader of environment variables. Every name is described in spec/environment.json."""

import getpass
import os
import sys
from pathlib import Path

from timestep.errors import ConfigurationError

ON = ("1", "true", "yes", "on")
OFF = ("0", "false", "no", "off")


def text(name: str) -> str | None:
    """Return the variable's value; an unset, empty or blank one is None."""
    value = os.environ.get(name, "").strip()
    return value or None


def switch(name: str, *, default: bool) -> bool:
    """Return whether a variable that is on or off is on.

    Raises:
        ConfigurationError: The value is none of the known words.
    """
    value = text(name)
    if value is None:
        return default
    if value.lower() in ON:
        return True
    if value.lower() in OFF:
        return False
    raise ConfigurationError(f"{name} is {value!r}; expected one of {', '.join(ON + OFF)}.")


def whole_number(name: str, *, default: int, lowest: int, highest: int, unit: str) -> int:
    """Return the variable's value as a number within its limits.

    Raises:
        ConfigurationError: The value is no whole number or lies outside the limits.
    """
    value = text(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and lowest <= int(value) <= highest):
        raise ConfigurationError(
            f"{name} is {value!r}; expected {unit} from {lowest} to {highest}."
        )
    return int(value)


def embedded_allowed() -> bool:
    """Return whether the embedded PostgreSQL may be used."""
    return switch("TIMESTEP_EMBEDDED", default=True)


def embedded_kept() -> bool:
    """Return whether the embedded PostgreSQL stays up after its last process."""
    return switch("TIMESTEP_EMBEDDED_KEEP", default=False)


def data_folder() -> Path:
    """Return the folder for what Timestep keeps on this machine."""
    if chosen := text("TIMESTEP_DATA_DIR"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        return Path(text("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "timestep"
    if os.geteuid() == 0:
        return Path("/var/lib/timestep")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "timestep"
    return Path(text("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "timestep"


def database_user() -> str:
    """Return the user that libpq would connect as when none is named."""
    return text("PGUSER") or getpass.getuser()


def default_port() -> int:
    """Return PGPORT, or PostgreSQL's own port."""
    return whole_number("PGPORT", default=5432, lowest=1, highest=65535, unit="a port")


def default_connect_timeout() -> int:
    """Return PGCONNECT_TIMEOUT in seconds, or 10."""
    return whole_number(
        "PGCONNECT_TIMEOUT", default=10, lowest=1, highest=86400, unit="a number of seconds"
    )


def inherited(**changed: str) -> dict[str, str]:
    """Return the environment for a process that this one starts."""
    return {**os.environ, **changed}


def without_postgres() -> dict[str, str]:
    """Return the environment without libpq's and the server's variables, messages in English."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}
