"""Durable runs beside those of dbos-openai-agents and LangGraph; see README.md.

The peers live in a virtual environment of their own, `.venv-peers`, made from peers.txt.
"""

import json
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT / "python" / "tests")]

from durable_runs import WAL
from figures import show, wanted
from recovered import recovery
from server import embedded_server
from support.postgres import execute, new_database

PEER_PYTHON = str(ROOT / ".venv-peers" / "bin" / "python")
PROGRAMS = {
    "timestep": (sys.executable, str(HERE / "with_timestep.py")),
    "dbos-openai-agents": (PEER_PYTHON, str(HERE / "with_dbos.py")),
    "langgraph": (PEER_PYTHON, str(HERE / "with_langgraph.py")),
}
OURS = "timestep"
# turns: rounds, and how long our runs may take against each peer's
TIMED = {10: (30, {"dbos-openai-agents": 0.4}), 200: (2, {})}


def main() -> None:
    """Print every figure that the command line asks for."""
    os.environ["OPENAI_AGENTS_DISABLE_TRACING"] = "1"
    with embedded_server() as (server_url, _):
        for turns, (rounds, bounds) in TIMED.items():
            if wanted(f"peers {turns} turns"):
                _timed(server_url, turns, rounds, bounds)
        if wanted("peers recovery of 100 runs"):
            _recovered(server_url, "recovery of 100 runs of 10 turns, to the last model call",
                       runs=100, turns=10, stop_at=5)  # fmt: skip
        if wanted("peers recovery of 1,000 items"):
            _recovered(server_url, "recovery of 1,000 items, to the next model call",
                       runs=1, turns=501, stop_at=501)  # fmt: skip


def _timed(server_url: str, turns: int, rounds: int, bounds: dict[str, float]) -> None:
    """Measure runs of every program in turn, so that none has a quieter machine than others."""
    with ExitStack() as stack:
        programs = {
            name: stack.enter_context(_obedient(server_url, program, turns))
            for name, program in PROGRAMS.items()
        }
        measured = {name: [program.work()] for name, program in programs.items()}
        for _ in range(rounds):
            for name, program in programs.items():
                measured[name].append(program.work())
    ours = min(seconds for seconds, _ in measured[OURS])
    for name, results in measured.items():
        seconds = min(seconds for seconds, _ in results)
        written = min(written for _, written in results) / turns / 1000
        _tell(f"{name}, {turns} turns", f"{seconds:.3f} s", f"{written:.1f} KB per turn")
        if name in bounds:
            show(f"timestep against {name}, {turns} turns", ours / seconds, bounds[name])


def _recovered(server_url: str, what: str, *, runs: int, turns: int, stop_at: int) -> None:
    for name, program in PROGRAMS.items():
        with new_database(server_url) as url:
            found = recovery(
                program, {"PG_CONNECTION_URI": url}, runs=runs, turns=turns, stop_at=stop_at
            )
        _tell(f"{name}, {what}", f"{found.last:.2f} s", f"{found.calls} model calls")


def _tell(*columns: str) -> None:
    print("\t".join(columns), flush=True)


class _Obedient:
    """A program that does its work when it is told to."""

    def __init__(self, process: "subprocess.Popen[str]", url: str) -> None:
        self.process = process
        self.url = url

    def work(self) -> tuple[float, float]:
        """Have the work done once; return its seconds and the bytes that PostgreSQL wrote."""
        assert self.process.stdin
        before = execute(self.url, WAL)[0][0]
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        took = -self.heard("began") + self.heard("done")
        return took, float(execute(self.url, WAL)[0][0] - before)

    def heard(self, word: str) -> float:
        """Return the time of the next line that begins with a word."""
        for line in self.process.stdout or ():
            if line.startswith(f"{word} "):
                return float(line.split()[1])
        raise RuntimeError(f"{self.process.args} ended before it said {word!r}")


@contextmanager
def _obedient(server_url: str, program: tuple[str, str], turns: int) -> Generator[_Obedient]:
    with (
        new_database(server_url) as url,
        subprocess.Popen(
            [*program, json.dumps({"turns": turns})],
            env={**os.environ, "PG_CONNECTION_URI": url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        obedient = _Obedient(process, url)
        obedient.heard("ready")
        try:
            yield obedient
        finally:
            process.kill()


if __name__ == "__main__":
    main()
