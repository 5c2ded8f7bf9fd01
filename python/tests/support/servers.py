"""Servers on 127.0.0.1 that are no PostgreSQL."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def silent_server() -> Iterator[int]:
    """Yield the port of a server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=16) as listener:
        # The kernel accepts for us as long as the backlog has room.
        yield listener.getsockname()[1]


@contextmanager
def http_server() -> Iterator[int]:
    """Yield the port of a web server, which calls all it hears a bad request."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _BadRequest) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def closed_port() -> Iterator[int]:
    """Yield a port that is taken and on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


class _BadRequest(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        if self.request.recv(1024):
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
