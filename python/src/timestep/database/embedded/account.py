"""The user that PostgreSQL runs as. It refuses to run as root; then it gets another one."""

import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from timestep import settings


@dataclass(frozen=True, kw_only=True)
class Account:
    """A user of this machine."""

    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """Return the user to drop to; None when the server runs as the present user."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    import pwd  # not on Windows

    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    # No name service at all, as in the barest containers: the number that nobody has everywhere.
    return Account(name="nobody", uid=65534, gid=65534)


def run(
    command: Sequence[str | Path], *, account: Account | None, timeout: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """Run a program of PostgreSQL as the server's user and return what it said.

    Args:
        command: The program and its arguments.
        account: The user to drop to; None stays.
        timeout: Seconds after which it is killed and subprocess.TimeoutExpired raised (120).
    """
    # A current folder that the other user may not enter makes every one of these programs complain.
    return subprocess.run(  # noqa: S603  # a list of arguments, never a line for a shell
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=settings.without_postgres(),
        cwd=Path(command[0]).anchor or None,
        timeout=timeout,
        user=account and account.uid,
        group=account and account.gid,
        extra_groups=None if account is None else [],
    )


def give(path: Path, account: Account | None) -> None:
    """Make a file or folder the server's user's own."""
    if account is not None and sys.platform != "win32":
        os.chown(path, account.uid, account.gid)


def barrier(folder: Path, account: Account | None) -> Path | None:
    """Return the first folder on the way that the server's user may not enter, if any."""
    if account is None:
        return None
    for step in reversed([folder, *folder.parents]):
        found = step.stat()
        bit = stat.S_IXUSR if found.st_uid == account.uid else stat.S_IXOTH
        if found.st_gid == account.gid and found.st_uid != account.uid:
            bit = stat.S_IXGRP
        if not found.st_mode & bit:
            return step
    return None
