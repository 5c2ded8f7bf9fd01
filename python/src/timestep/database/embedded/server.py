"""The server process of a cluster: whether it runs, starting it, stopping it.

PostgreSQL's own postmaster.pid is the only witness. It can lie after a crash: its process may be
gone (PostgreSQL takes the file over by itself) or its number may have gone to a stranger, which
happens when a container restarts, or it is a zombie that nobody collects (PostgreSQL then refuses
to start, so the file must go).
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from timestep.database.embedded.account import Account, run, server_account
from timestep.database.embedded.binaries import Binaries, find_binaries, readable_by
from timestep.database.embedded.cluster import Cluster, base_folder, find_cluster, free_port
from timestep.errors import DatabaseUnavailableError

POLL = 0.02
DEFUNCT = "<defunct>"
START_LIMIT = 60  # seconds
WILL_PASS = (
    "is still in use",  # the shared memory, by children of a killed server that are about to end
    "could not create any TCP/IP sockets",  # the port was taken since it was looked at
)


@dataclass(frozen=True, kw_only=True)
class Postmaster:
    """What postmaster.pid says."""

    text: str
    process: int
    port: int | None
    ready: bool


@dataclass(frozen=True, kw_only=True)
class ServerStatus:
    """The state of the embedded server.

    Attributes:
        folder: Where its data lies; None when there is no cluster yet.
        state: "absent" (no cluster), "stopped", "starting" (or stopping) or "running".
        process: Process id while it runs.
        port: Port while it runs.
    """

    folder: Path | None
    state: Literal["absent", "stopped", "starting", "running"]
    process: int | None = None
    port: int | None = None


def status() -> ServerStatus:
    """Return the state of the embedded server; nothing is started."""
    cluster = find_cluster(base_folder())
    if cluster is None:
        return ServerStatus(folder=None, state="absent")
    postmaster = running(cluster)
    if postmaster is None:
        return ServerStatus(folder=cluster.folder, state="stopped")
    return ServerStatus(
        folder=cluster.folder,
        state="running" if postmaster.ready else "starting",
        process=postmaster.process,
        port=postmaster.port,
    )


def running(cluster: Cluster) -> Postmaster | None:
    """Return the cluster's postmaster; None when none is alive."""
    postmaster = _read(cluster)
    return postmaster if postmaster and _is_postmaster(postmaster, cluster) else None


def start(cluster: Cluster) -> None:
    """Start the cluster's server, which nobody else has running, and wait until it is ready.

    Raises:
        DatabaseUnavailableError: It did not start; the message ends with its last words.
    """
    account = server_account()
    binaries = readable_by(find_binaries(cluster.major), account, base=cluster.folder.parent)
    deadline = time.monotonic() + START_LIMIT
    _remove_stranger(cluster, deadline=deadline)
    while not _started(cluster, binaries, account):
        said = cluster.log.read_text(errors="replace")
        if not any(words in said for words in WILL_PASS) or time.monotonic() > deadline:
            raise DatabaseUnavailableError(
                f"PostgreSQL in {cluster.folder} does not start: {_last_words(cluster)}"
            )
        time.sleep(POLL)


def _started(cluster: Cluster, binaries: Binaries, account: Account | None) -> bool:
    if cluster.log.exists():
        os.truncate(cluster.log, 0)
    command = [
        binaries.program("pg_ctl"),
        *("start", "-w", "-t", str(START_LIMIT), "-D", cluster.data),
        *("-l", cluster.log, "-o", f"-p {free_port(cluster.port)}"),
    ]
    with suppress(subprocess.TimeoutExpired):
        if run(command, account=account, timeout=START_LIMIT + 10).returncode == 0:
            return True
    return running(cluster) is not None  # another process was faster


def stop(cluster: Cluster) -> None:
    """Ask the cluster's server for a fast shutdown; do not wait for it."""
    postmaster = running(cluster)
    if postmaster is None:
        return
    if sys.platform == "win32":
        pg_ctl = find_binaries(cluster.major).program("pg_ctl")
        run([pg_ctl, "stop", "-m", "fast", "-W", "-D", cluster.data], account=None)
    else:
        os.kill(postmaster.process, signal.SIGINT)


def wait_until_gone(cluster: Cluster, *, limit: float = 30.0) -> bool:
    """Wait for the server's end; False when it takes longer than the limit in seconds (30)."""
    deadline = time.monotonic() + limit
    while running(cluster) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


def _read(cluster: Cluster) -> Postmaster | None:
    try:
        text = (cluster.data / "postmaster.pid").read_text(errors="replace")
    except (FileNotFoundError, PermissionError):
        return None
    lines = text.split("\n")
    if not lines[0].lstrip("-").isdigit():
        return None  # it is being written
    port = lines[3] if len(lines) > 3 else ""
    return Postmaster(
        text=text,
        process=abs(int(lines[0])),
        port=int(port) if port.isdigit() else None,
        ready=len(lines) > 7 and lines[7].strip() == "ready",
    )


def _is_postmaster(postmaster: Postmaster, cluster: Cluster) -> bool:
    command = _command_line(postmaster.process)
    if command is None:
        return False
    return not command or ("postgres" in command and str(cluster.data) in command)


def _command_line(process: int) -> str | None:
    """Return a process's command line, "" where it cannot be told, None when it is gone."""
    proc = Path("/proc")
    if (proc / "self").exists():
        try:
            # A dead process that its parent has not noticed yet has no command line any more;
            # PostgreSQL takes it for a living one.
            return (proc / str(process) / "cmdline").read_text(errors="replace") or DEFUNCT
        except FileNotFoundError:
            return None
        except (PermissionError, ProcessLookupError):
            return ""
    if sys.platform == "win32":
        query = ["tasklist", "/nh", "/fo", "csv", "/fi", f"PID eq {process}"]
        said = run(query, account=None, timeout=10)
        return "" if str(process) in said.stdout else None
    said = run(["/bin/ps", "-ww", "-o", "command=", "-p", str(process)], account=None, timeout=10)
    return said.stdout.strip() or None


def _remove_stranger(cluster: Cluster, *, deadline: float) -> None:
    """Remove a postmaster.pid whose process lives and is somebody else's.

    While a process of the old server is left, its memory is in use and PostgreSQL would see no
    reason against a second server: the file stays.
    """
    while (found := _stranger(cluster)) and _is_in_use(cluster):
        if time.monotonic() > deadline:
            return  # PostgreSQL says why it does not start
        time.sleep(POLL)
    again = _read(cluster)
    if found and again and again.text == found.text:
        (cluster.data / "postmaster.pid").unlink(missing_ok=True)


def _stranger(cluster: Cluster) -> Postmaster | None:
    found = _read(cluster)
    if found is None or _command_line(found.process) is None or _is_postmaster(found, cluster):
        return None
    return found


def _is_in_use(cluster: Cluster) -> bool:
    """Return whether a process works in the data folder, as every one of a server does."""
    data = cluster.data.resolve()
    return any(_works_in(process) == data for process in Path("/proc").glob("[0-9]*"))


def _works_in(process: Path) -> Path | None:
    try:
        return (process / "cwd").readlink()
    except OSError:
        return None  # ended, a zombie, or another user's


def _last_words(cluster: Cluster) -> str:
    """Return what the start said, and the last complaint in the log that the server then opened."""
    said = " ".join(cluster.log.read_text(errors="replace").split())[-500:]
    for log in sorted((cluster.data / "log").glob("*.log"), key=_changed)[-1:]:
        lines = log.read_text(errors="replace").splitlines()
        complaints = [line for line in lines if "FATAL" in line or "PANIC" in line]
        said += "".join(f"; its log ends with: {line}" for line in complaints[-1:])
    return said


def _changed(path: Path) -> float:
    return path.stat().st_mtime
