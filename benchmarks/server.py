"""The PostgreSQL of the benchmarks: the embedded one, set up as users get it, fsync included."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.postgres import HOLD, clean_environment, new_data_folder
from support.waiting import until


@contextmanager
def embedded_server() -> Iterator[tuple[str, Path]]:
    """Start an embedded server in a folder of its own; yield its address and the folder."""
    with (
        new_data_folder() as folder,
        subprocess.Popen(
            [sys.executable, "-c", HOLD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(TIMESTEP_DATA_DIR=str(folder)),
        ) as holder,
    ):
        assert holder.stdout
        yield holder.stdout.readline().strip(), folder
        holder.communicate()
        until(lambda: not list(folder.glob("postgres/*/data/postmaster.pid")))
