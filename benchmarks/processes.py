"""Many processes of both languages at once."""

import os
import subprocess
import sys
from pathlib import Path

from figures import show, wanted
from support.postgres import clean_environment, new_database

HERE = Path(__file__).parent
SAVERS = 8
SAVES = 20
STARTERS = 20
TIMED_ATTACH = """
import time
from timestep.database import embedded
begun = time.perf_counter()
embedded.attach()
print(time.perf_counter() - begun)
"""


def figures(server_url: str, folder: Path) -> None:
    """Print the figures of many processes."""
    if wanted("saves at once"):
        with new_database(server_url) as url:
            errors = _run_together(SAVERS, {"PG_CONNECTION_URI": url, "SAVES": str(SAVES)})
            show(f"errors in {SAVERS * SAVES} saves at once", errors, 0, "errors")
    if wanted("first starts"):
        with new_database(server_url) as url:
            errors = _run_together(STARTERS, {"PG_CONNECTION_URI": url, "SAVES": "0"})
            show(f"errors in {STARTERS} first starts at once", errors, 0, "errors")
    if wanted("attach"):
        _attaching(folder)


def _run_together(count: int, environment: dict[str, str]) -> int:
    python = [sys.executable, str(HERE / "saver.py")]
    node = ["node", str(HERE / "saver.ts")]
    commands = [python if n % 2 == 0 else node for n in range(count)]
    running = [
        subprocess.Popen([*command, str(n)], env={**os.environ, **environment})
        for n, command in enumerate(commands)
    ]
    return sum(process.wait(timeout=300) != 0 for process in running)


def _attaching(folder: Path) -> None:
    environment = clean_environment(TIMESTEP_DATA_DIR=str(folder))
    measured = min(_attach_once(environment) for _ in range(10))
    show("python attach to a running embedded server", measured * 1000, 150, "ms")


def _attach_once(environment: dict[str, str]) -> float:
    command = [sys.executable, "-c", TIMED_ATTACH]
    done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
    return float(done.stdout)
