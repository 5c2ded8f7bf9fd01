"""Processes that have imported everything already, so that a test may start and kill many.

A server imports a script's module once and forks a child for each command: a process of its own,
with its own process id, that can be killed like any other.
"""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self


class ForkServer:
    """The server, as a test sees it."""

    def __init__(self, script: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, arguments: list[str], environment: dict[str, str], folder: Path) -> "Child":
        """Start a child; what it prints goes to files in the folder."""
        number = len(list(folder.glob("*.out")))
        files = [str(folder / f"{number}.{kind}") for kind in ("out", "err")]
        pid = self._ask({"start": arguments, "environment": environment, "files": files})
        return Child(self, pid, *map(Path, files))

    def status(self, pid: int) -> int | None:
        """Return the exit status of a child as subprocess does; None while it lives."""
        return self._ask({"status": pid})

    def _ask(self, question: dict[str, Any]) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.communicate(timeout=30)


class Child:
    """A child of the server."""

    def __init__(self, server: ForkServer, pid: int, out: Path, err: Path) -> None:
        self._server = server
        self.pid = pid
        self._out, self._err = out, err
        self.returncode: int | None = None

    def wait(self, seconds: float = 60) -> int:
        """Return the exit status once the child has ended; kill it when it does not in time."""
        deadline = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"process {self.pid} did not end: {self.errors}")
            time.sleep(0.02)
        assert self.returncode is not None
        return self.returncode

    def poll(self) -> int | None:
        """Return the exit status; None while the child lives."""
        if self.returncode is None:
            self.returncode = self._server.status(self.pid)
        return self.returncode

    def kill(self) -> None:
        """Kill the child with SIGKILL."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    @property
    def output(self) -> str:
        """What the child printed so far."""
        return self._out.read_text()

    @property
    def errors(self) -> str:
        """The end of what the child wrote to standard error."""
        return self._err.read_text()[-6000:]


def serve(script: str) -> None:
    """Answer questions until standard input ends."""
    module = runpy.run_path(script, run_name="forked")
    statuses: dict[int, int] = {}
    for line in sys.stdin:
        question = json.loads(line)
        if "start" in question:
            answer: int | None = fork(question, module)
        else:
            answer = status_of(question["status"], statuses)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def fork(question: dict[str, Any], module: dict[str, Any]) -> int:
    """Start a child that calls the script's function `begin` with its arguments."""
    pid = os.fork()
    if pid:
        return pid
    for target, name in zip((1, 2), question["files"], strict=True):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), target)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.environ.update(question["environment"])
    code = 1
    try:
        code = module["begin"](*question["start"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def status_of(pid: int, statuses: dict[int, int]) -> int | None:
    """Return a child's exit status, None while it lives."""
    if pid not in statuses:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if not ended:
            return None
        statuses[pid] = os.waitstatus_to_exitcode(status)
    return statuses[pid]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    serve(sys.argv[1])
