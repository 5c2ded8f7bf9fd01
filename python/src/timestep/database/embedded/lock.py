"""One process at a time creates or starts the server. This saves work; nothing else rests on it."""

import os
import secrets
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

VOID_AFTER = 60.0  # seconds


@contextmanager
def startup_lock(base: Path) -> Generator[bool]:
    """Yield whether this process may go to work; if not, another one is at it."""
    lock = base / ".lock"
    if not _take(lock):
        _remove_void(lock)
        yield False
        return
    try:
        yield True
    finally:
        lock.unlink(missing_ok=True)


def _take(lock: Path) -> bool:
    own = lock.with_name(f".lock-{os.getpid()}-{secrets.token_hex(4)}")
    own.write_text(str(os.getpid()))
    try:
        # A link appears with its content; a file that is created and then written does not.
        os.link(own, lock)
    except FileExistsError:
        return False
    except OSError:  # a file system without links: more work, same result
        return True
    finally:
        own.unlink()
    return True


def _remove_void(lock: Path) -> None:
    try:
        holder = lock.read_text()
        age = time.time() - lock.stat().st_mtime
    except OSError:
        return
    if age > VOID_AFTER or not _lives(holder):
        lock.unlink(missing_ok=True)


def _lives(holder: str) -> bool:
    if sys.platform == "win32" or not holder.isdigit():
        return True  # os.kill ends a process there; the age decides alone
    try:
        os.kill(int(holder), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
