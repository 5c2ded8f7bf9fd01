"""A few connections to one server, lent to threads one at a time.

A connection is made by the thread that needs it, so a server that is gone gives its reason at once,
and there is no thread of the pool's own that a fork() would lose. Before it is lent again a
connection is looked at without asking the server: bytes waiting on an idle connection are the
server's farewell.
"""

import selectors
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

from timestep.database.connect import Connection
from timestep.errors import DatabaseUnavailableError


class Pool:
    """Lends connections, keeps the sound ones.

    Args:
        connect: Makes a connection, or raises the reason why it cannot.
        size: Most connections at a time (5).
        longest_queue: Seconds a thread waits for another one's connection (60).
    """

    def __init__(
        self, connect: Callable[[], Connection], *, size: int = 5, longest_queue: float = 60.0
    ) -> None:
        self._connect = connect
        self._longest_queue = longest_queue
        self._size = size
        self._places = threading.BoundedSemaphore(size)
        self._idle: list[Connection] = []
        self._closed = False

    @contextmanager
    def connection(self) -> Generator[Connection]:
        """Lend a connection; one that breaks meanwhile is thrown away.

        Raises:
            DatabaseUnavailableError: None can be made, or all stay busy for too long.
        """
        if not self._places.acquire(timeout=self._longest_queue):
            raise DatabaseUnavailableError(
                f"All {self._size} connections of this process have been busy for "
                f"{self._longest_queue:.0f} seconds; look for a statement that waits for a lock."
            )
        try:
            connection = self._sound_idle() or self._connect()
            try:
                yield connection
            finally:
                self._take_back(connection)
        finally:
            self._places.release()

    def close(self) -> None:
        """Close what is idle now, and the lent ones when they come back."""
        self._closed = True
        for connection in iter(self._pop_idle, None):
            connection.close()

    def _sound_idle(self) -> Connection | None:
        while True:
            connection = self._pop_idle()
            if connection is None or is_sound(connection):
                return connection
            connection.close()

    def _pop_idle(self) -> Connection | None:
        try:
            return self._idle.pop()
        except IndexError:  # empty, or another thread was faster
            return None

    def _take_back(self, connection: Connection) -> None:
        if self._closed or connection.closed:
            connection.close()
        else:
            self._idle.append(connection)


def is_sound(connection: Connection) -> bool:
    """Return whether an idle connection is open and its server has said nothing unasked."""
    if connection.closed:
        return False
    with selectors.DefaultSelector() as selector:
        selector.register(connection.fileno(), selectors.EVENT_READ)
        return not selector.select(timeout=0)
