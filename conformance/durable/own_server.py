"""A PostgreSQL of a test's own, which may be restarted under those who use it."""

import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from timestep.database.embedded.cluster import find_cluster
from timestep.database.embedded.server import running, start, wait_until_gone

# Holds the embedded server until its standard input ends.
HOLD = """
import sys
from timestep.database import embedded
print(embedded.attach().url, flush=True)
sys.stdin.read()
"""


class OwnServer:
    """The server.

    Attributes:
        url: Its address, as a superuser.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self._folder = folder

    def restart(self, *, crash: bool) -> None:
        """End the server, and start it anew at the same address.

        Args:
            crash: True ends it at once, as a failure of the machine does; False cuts the
                connections and shuts down properly.
        """
        cluster = find_cluster(self._folder / "postgres")
        postmaster = cluster and running(cluster)
        assert cluster is not None
        assert postmaster is not None
        os.kill(postmaster.process, signal.SIGQUIT if crash else signal.SIGINT)
        assert wait_until_gone(cluster)
        start(cluster)
        again = running(cluster)
        assert again is not None
        assert again.port == postmaster.port


@contextmanager
def own_server(folder: Path, environment: dict[str, str]) -> Generator[OwnServer]:
    """Start a server and yield it.

    Args:
        folder: Where it keeps its data; its user must be able to enter.
        environment: The variables of the process that holds it.
    """
    with subprocess.Popen(
        [sys.executable, "-c", HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**environment, "TIMESTEP_DATA_DIR": str(folder)},
    ) as holder:
        assert holder.stdout
        url = holder.stdout.readline().strip()
        assert url, "the PostgreSQL of the test did not start: see above"
        yield OwnServer(url, folder)
        holder.communicate()
