"""One connection that an event loop drives by itself, without a thread between them.

Statements that are sent together go in libpq's pipeline mode: one round trip and one transaction,
so one commit. Whether they took effect is known only once all of them have been answered.
"""

import asyncio
from collections.abc import Callable, Sequence

import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from timestep.database.connect import Connection

Answered = Callable[[list[str | None] | None], None]


class Pipeline:
    """Sends statements from an event loop, one group at a time.

    Args:
        connection: In autocommit mode, and the pipeline's own from here on.

    Raises:
        NotImplementedError: The running event loop cannot watch sockets (Windows, by default).
        psycopg.Error: The connection is broken, or libpq is older than 14.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._loop = asyncio.get_running_loop()
        self._results: list[PGresult] = []
        self._answered: Answered | None = None
        self._watched = self._sending = False
        self._pgconn.nonblocking = 1
        self._pgconn.enter_pipeline_mode()
        self._socket = self._pgconn.socket
        self._loop.add_reader(self._socket, self._read)
        self._watched = True

    @property
    def closed(self) -> bool:
        """Whether it can be used no more: it was closed, or the connection was lost."""
        return not self._watched

    def send(self, statement: bytes, rows: Sequence[Sequence[object]], answered: Answered) -> None:
        """Run a statement for each row of values, all in one transaction.

        Args:
            statement: SQL with $1, $2 … for the values, which come as text.
            rows: The values; each but None is sent as what str() makes of it.
            answered: Called once, on the event loop, with the first column of what each statement
                returned, or with None: one of them failed, or nobody knows.

        Raises:
            ValueError: A value cannot be sent; nothing was.
        """
        sent = [[_as_text(value) for value in values] for values in rows]
        self._results, self._answered = [], answered
        try:
            for values in sent:
                self._pgconn.send_query_params(statement, values)
            self._pgconn.pipeline_sync()
            self._flush()
        except psycopg.Error:
            self.close()

    def close(self) -> None:
        """Close the connection; whoever waits for an answer is told that nobody knows."""
        if self._watched and not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
        self._watched = False
        self._connection.close()
        self._tell(None)

    def _flush(self) -> None:
        """Send what libpq has not sent yet, the rest when the server has taken that."""
        unsent = self._pgconn.flush() == 1
        if unsent and not self._sending:
            self._loop.add_writer(self._socket, self._flush_or_close)
        elif self._sending and not unsent:
            self._loop.remove_writer(self._socket)
        self._sending = unsent

    def _flush_or_close(self) -> None:
        try:
            self._flush()
        except psycopg.Error:
            self.close()

    def _read(self) -> None:
        try:
            self._pgconn.consume_input()
            while self._answered is not None and not self._pgconn.is_busy():
                self._take(self._pgconn.get_result())
        except psycopg.Error:
            self.close()

    def _take(self, result: PGresult | None) -> None:
        if result is None:
            return  # the end of one of the statements
        if result.status != ExecStatus.PIPELINE_SYNC:
            self._results.append(result)
        elif all(each.status == ExecStatus.TUPLES_OK for each in self._results):
            self._tell([_first(each) for each in self._results])
        else:
            self._tell(None)

    def _tell(self, answers: list[str | None] | None) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(answers)


def _as_text(value: object) -> bytes | None:
    if value is None:
        return None
    text = str(value).encode()
    if b"\0" in text:
        raise ValueError("PostgreSQL takes no text with a NUL character; libpq would cut it there.")
    return text


def _first(result: PGresult) -> str | None:
    value = result.get_value(0, 0)
    return None if value is None else value.decode()
