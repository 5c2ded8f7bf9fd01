"""The folder of the embedded server: one cluster, made once, whoever comes first.

A cluster is made under a temporary name and then renamed, so one that exists is complete. The
process that loses the race throws its own away.
"""

import os
import re
import secrets
import shutil
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from timestep import settings
from timestep.database.embedded.account import Account, barrier, give, run, server_account
from timestep.database.embedded.binaries import Binaries, readable_by
from timestep.errors import ConfigurationError, DatabaseUnavailableError

ROLE = "timestep"
HOST = "127.0.0.1"
LEFT_OVER = 600.0  # seconds after which an unfinished cluster counts as abandoned
CONFIGURATION = """
# Written by Timestep.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 200
logging_collector = on
log_filename = 'postgres-%a.log'
log_truncate_on_rotation = on
log_rotation_age = 1d
log_rotation_size = 0
"""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """An existing cluster."""

    folder: Path
    major: int
    password: str = field(repr=False)

    @property
    def data(self) -> Path:
        """PostgreSQL's own folder."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the last starts said."""
        return self.folder / "start.log"

    @property
    def port(self) -> int:
        """The port that it was made for; in use it may be another one."""
        written = (self.data / "postgresql.conf").read_text()
        return int(re.findall(r"^port = (\d+)", written, re.M)[-1])

    def url(self, port: int, database: str = ROLE) -> str:
        """Return the address of its server."""
        return (
            f"postgresql://{ROLE}:{self.password}@{HOST}:{port}/{quote(database)}?sslmode=disable"
        )


def base_folder() -> Path:
    """Return the folder of everything that belongs to the embedded server."""
    return settings.data_folder() / "postgres"


def find_cluster(base: Path) -> Cluster | None:
    """Return the cluster in the base folder, the newest if there are several."""
    majors = [int(path.name) for path in base.glob("[0-9]*") if path.name.isdigit()]
    if not majors:
        return None
    folder = base / str(max(majors))
    try:
        password = (folder / "password").read_text().strip()
    except PermissionError as error:
        raise DatabaseUnavailableError(
            f"{folder} belongs to another user. Set TIMESTEP_DATA_DIR to a folder of your own"
        ) from error
    except FileNotFoundError as error:
        raise DatabaseUnavailableError(
            f"{folder} is no cluster of Timestep: its file password is missing. Restore the "
            "folder, or move it away to start with an empty one"
        ) from error
    return Cluster(folder=folder, major=max(majors), password=password)


def make_base(base: Path) -> None:
    """Create the base folder, closed to other users unless the server runs as another one."""
    mode = 0o700 if server_account() is None else 0o755
    try:
        for folder in (base.parent, base):
            if not folder.exists():
                folder.mkdir(mode=mode, parents=True, exist_ok=True)
                if sys.platform != "win32":
                    folder.chmod(mode)  # mkdir's own mode bows to the umask
    except OSError as error:
        raise ConfigurationError(
            f"The folder {base} cannot be created: {error.strerror}. Set TIMESTEP_DATA_DIR to a "
            "folder that you can write to."
        ) from error


def create_cluster(base: Path, binaries: Binaries) -> None:
    """Make a cluster in the base folder, or find that another process has made one.

    Raises:
        ConfigurationError: The server's user cannot get into the base folder.
        DatabaseUnavailableError: initdb failed.
    """
    account = server_account()
    if closed := barrier(base, account):
        raise ConfigurationError(
            f"The folder {base} lies within {closed}, which the user {account and account.name!r} "
            "may not enter; PostgreSQL runs as that user because root may not run it. Set "
            "TIMESTEP_DATA_DIR to a folder that every user may enter."
        )
    binaries = readable_by(binaries, account, base=base)
    _remove_left_over(base)
    making = base / f".init-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        _initialise(making, binaries, account)
        making.rename(base / str(binaries.major))
    except OSError:
        if find_cluster(base) is None:  # else another process was faster
            raise
    finally:
        shutil.rmtree(making, ignore_errors=True)


def free_port(preferred: int | None = None) -> int:
    """Return the preferred port if it is free, else any free one."""
    for port in (preferred or 0, 0):
        with socket.socket() as probe:
            if sys.platform != "win32":  # there it means that two may listen at once
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DatabaseUnavailableError(f"no free port on {HOST}")


def _initialise(making: Path, binaries: Binaries, account: Account | None) -> None:
    making.mkdir(mode=0o700 if account is None else 0o755)
    password = making / "password"
    password.touch(mode=0o600)
    password.write_text(secrets.token_hex(24) + "\n")
    data = making / "data"
    data.mkdir(mode=0o700)
    for path in (password, data):
        give(path, account)
    said = run(
        [
            binaries.program("initdb"),
            *("-D", data, "-U", ROLE, "-A", "scram-sha-256", "--pwfile", password),
            *("-E", "UTF8", "--locale=C"),
        ],
        account=account,
    )
    if said.returncode != 0:
        raise DatabaseUnavailableError(
            f"initdb of PostgreSQL {binaries.major} failed: {' '.join(said.stdout.split())[-400:]}"
        )
    with (data / "postgresql.conf").open("a") as configuration:
        configuration.write(CONFIGURATION.format(port=free_port()))
    log = making / "start.log"
    log.touch(mode=0o600)
    give(log, account)
    if account is not None and sys.platform != "win32":
        os.chown(password, 0, 0)


def _remove_left_over(base: Path) -> None:
    for path in base.glob(".init-*"):
        try:
            abandoned = time.time() - path.stat().st_mtime > LEFT_OVER
        except FileNotFoundError:
            continue
        if abandoned:
            shutil.rmtree(path, ignore_errors=True)
