"""Many processes of both languages at once."""

import os
import subprocess
import sys
from pathlib import Path

from figures import show, wanted
from support.postgres import clean_environment, execute, new_database

HERE = Path(__file__).parent
SAVERS = 8
SAVES = 20
STARTERS = 20
ATTACH = """
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
            failed = _run_together(SAVERS, {"PG_CONNECTION_URI": url, "SAVES": str(SAVES)})
            [(saved,)] = execute(url, "select count(*) from timestep.run_states")
        errors = failed + SAVERS * SAVES - saved
        show(f"errors in {SAVERS * SAVES} saves at once", errors, 0, "errors")
    if wanted("first starts at once"):
        with new_database(server_url) as url:
            errors = _run_together(STARTERS, {"PG_CONNECTION_URI": url, "SAVES": "0"})
        show(f"errors in {STARTERS} first starts at once", errors, 0, "errors")
    if wanted("attach"):
        _attaching(folder)


def _run_together(count: int, environment: dict[str, str]) -> int:
    """Run as many savers, half of them in each language; return how many failed."""
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
    programs = {
        "python": [sys.executable, "-c", ATTACH],
        "typescript": ["node", str(HERE / "attach.ts")],
    }
    for language, command in programs.items():
        measured = min(_seconds(command, environment) for _ in range(10))
        name = f"{language} attach to a running embedded server"
        show(name, measured * 1000, 150, "ms")


def _seconds(command: list[str], environment: dict[str, str]) -> float:
    done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)
    return float(done.stdout)
