"""Runs whose process is killed, and how soon the next process has gone on with them."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from figures import show, wanted
from timestep.testing.node import node_command

HERE = Path(__file__).parent
OURS = {
    "python": (sys.executable, str(HERE / "with_timestep.py")),
    # itself, no script that starts it: it is to be killed
    "typescript": (node_command(), str(HERE / "withTimestep.ts")),
}


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """What a process did with the runs that another one left behind.

    Attributes:
        first: Seconds from its launch to its first model call.
        last: Seconds from its launch to its last model call.
        calls: How many model calls it made.
    """

    first: float
    last: float
    calls: int


def figures(url: str) -> None:
    """Print the figures of recovery, of both languages."""
    environment = {"PG_CONNECTION_URI": url}
    for language, program in OURS.items():
        name = f"{language} durable recovery of"
        if wanted(f"{name} 100 runs"):
            many = recovery(program, environment, runs=100, turns=10, stop_at=5)
            show(f"{name} 100 runs of 10 turns", many.last, 5, "s")
            show(f"{name} 100 runs: calls again", many.calls - 600, 0, "calls")
        if wanted(f"{name} 1,000 items"):
            one = recovery(program, environment, runs=1, turns=501, stop_at=501)
            show(f"{name} 1,000 items", one.first, 1, "s")


def recovery(
    program: Sequence[str], environment: dict[str, str], *, runs: int, turns: int, stop_at: int
) -> Recovery:
    """Kill a program with all of its runs in one turn, start it again, and return how it went.

    Args:
        program: Starts the runs, or goes on with them; says "launch <time>" and "call <time>",
            "waiting <time>" for each run that is where it is to be killed, and "ended <time>".
        environment: For the program.
        runs: How many.
        turns: How many model calls each of them makes.
        stop_at: In which of these calls all of them are when the program is killed.
    """
    options = {"runs": runs, "turns": turns}
    everything = {**os.environ, **environment}
    with _started(program, everything, {**options, "stop_at": stop_at}) as first:
        _lines(first, "waiting", runs)
        first.kill()
    with _started(program, everything, options) as second:
        [launch] = _lines(second, "launch", 1)
        calls = _lines(second, "call", None)
        second.kill()
    return Recovery(first=calls[0] - launch, last=calls[-1] - launch, calls=len(calls))


def _started(
    program: Sequence[str], environment: dict[str, str], options: dict[str, int]
) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*program, json.dumps(options)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def _lines(process: "subprocess.Popen[str]", word: str, count: int | None) -> list[float]:
    """Return the times of as many lines that begin with a word (None: up to the line "ended")."""
    times: list[float] = []
    for line in process.stdout or ():
        said, at = line.split()
        if said == word:
            times.append(float(at))
        if len(times) == count or (count is None and said == "ended"):
            return times
    raise RuntimeError(f"{process.args} ended after {len(times)} of {count} times {word!r}")
