"""A driver as a process: commands go in, answers come back, and it may be killed at any moment."""

import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Self

from support.forkserver import ForkServer
from timestep.testing.node import node_command

FOLDER = Path(__file__).parent
PATIENCE_SECONDS = 60.0

Json = dict[str, Any]


class DriverDiedError(Exception):
    """The process ended before it answered."""


@dataclass
class Answer:
    """What became of one command."""

    result: Any = None
    error: Json | None = None
    events: list[Json] = field(default_factory=list[Json])

    @property
    def executions(self) -> list[tuple[str, str, str]]:
        return [
            (event["tool"], event["arguments"], event["call_id"])
            for event in self.events
            if event["event"] == "executed"
        ]

    def of(self, kind: str) -> list[Json]:
        return [event for event in self.events if event["event"] == kind]


class Pending:
    """A command under way."""

    def __init__(self) -> None:
        self.answer = Answer()
        self._lines: queue.SimpleQueue[Json | None] = queue.SimpleQueue()

    def hear(self, line: Json | None) -> None:
        self._lines.put(line)

    def wait(self, until: str | None = None) -> Answer:
        """Return when the command has ended, or when the named event has come.

        Raises:
            DriverDiedError: The process ended first; `answer` holds what it had said.
            TimeoutError: It does not answer.
        """
        while True:
            try:
                line = self._lines.get(timeout=PATIENCE_SECONDS)
            except queue.Empty:
                raise TimeoutError(f"no answer in {PATIENCE_SECONDS:.0f} seconds") from None
            if line is None:
                raise DriverDiedError
            if "event" in line:
                self.answer.events.append(line)
                if line["event"] == until:
                    return self.answer
                continue
            self.answer.result, self.answer.error = line.get("result"), line.get("error")
            return self.answer


class Driver:
    """A running driver of one language."""

    def __init__(self, pid: int, commands: IO[str], answers: IO[str]) -> None:
        self.pid = pid
        self._commands = commands
        self._answers = answers
        self._numbers = itertools.count()
        self._pending: dict[int, Pending] = {}
        self._ended = False
        self._lock = threading.Lock()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def send(self, do: str, **command: Any) -> Pending:
        number = next(self._numbers)
        pending = Pending()
        with self._lock:
            self._pending[number] = pending
            if self._ended:
                pending.hear(None)
                return pending
            try:
                self._commands.write(json.dumps({"id": number, "do": do, **command}) + "\n")
                self._commands.flush()
            except BrokenPipeError:
                pending.hear(None)
        return pending

    def ask(self, do: str, **command: Any) -> Answer:
        return self.send(do, **command).wait()

    def kill(self) -> None:
        """End the process at once, wherever it is."""
        os.kill(self.pid, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        """End the process when its commands are done."""
        with suppress(BrokenPipeError):
            self._commands.close()
        self._listener.join(PATIENCE_SECONDS)
        self._answers.close()

    def _listen(self) -> None:
        for text in self._answers:
            line = json.loads(text)
            self._pending[line["id"]].hear(line)
        with self._lock:
            self._ended = True
            for pending in self._pending.values():
                pending.hear(None)


class DriverProcess(Driver):
    """A driver that was started as a program."""

    def __init__(self, language: str, program: str = "driver") -> None:
        self._process = _started(COMMANDS[language](program))
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        _ready(self._process.stdout)
        super().__init__(self._process.pid, self._process.stdin, self._process.stdout)

    def close(self) -> None:
        super().close()
        self._process.wait(PATIENCE_SECONDS)


class PythonFork:
    """A Python process that has imported everything and makes drivers by copying itself."""

    def __init__(self, program: str = "driver") -> None:
        self._process = _started([*COMMANDS["python"](program), "--fork"])
        assert self._process.stdout is not None
        _ready(self._process.stdout)

    def driver(self) -> Driver:
        assert self._process.stdin is not None
        with tempfile.TemporaryDirectory() as folder:
            pipes = {name: f"{folder}/{name}" for name in ("commands", "answers")}
            for path in pipes.values():
                os.mkfifo(path)
            self._process.stdin.write(json.dumps(pipes) + "\n")
            self._process.stdin.flush()
            commands = open(pipes["commands"], "w")  # noqa: SIM115, PTH123 - closed by the driver
            answers = open(pipes["answers"])  # noqa: SIM115, PTH123 - closed by the driver
        return Driver(_ready(answers)["pid"], commands, answers)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(PATIENCE_SECONDS)
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# A program lies in this folder in both languages, or in one below: "driver", "durable/worker".
COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "python": lambda program: [
        sys.executable,
        "-m",
        f"{FOLDER.name}.{program.replace('/', '.')}",
    ],
    "typescript": lambda program: [node_command(), str(FOLDER / f"{program}.ts")],
}


def _started(command: list[str]) -> "subprocess.Popen[str]":
    variables = {
        "PYTHON": sys.executable,
        "PYTHONPATH": str(FOLDER.parent),
        "OPENAI_API_KEY": "unused",
        # a fifth of what it takes to load everything, a hundred times
        "NODE_COMPILE_CACHE": str(FOLDER.parent / "node_modules" / ".cache" / "node"),
    }
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    )


def _ready(answers: IO[str]) -> Json:
    line = answers.readline()
    assert line, "the driver ended before it was ready"
    return json.loads(line)


class Program:
    """A program that is the same in both languages, run many times.

    That of Python is imported once, and each run is a fork of it: importing the SDK takes longer
    than what the program does.

    Args:
        path: Where both are, without their endings.
    """

    def __init__(self, path: Path) -> None:
        self._forks = ForkServer(path.with_suffix(".py"))
        self._script = str(path.with_suffix(".ts"))

    def output(
        self, language: str, arguments: list[str], environment: dict[str, str], folder: Path
    ) -> str:
        """Return what it says until it ends well; a fork keeps that in the folder."""
        if language == "python":
            child = self._forks.start(arguments, environment, folder)
            assert child.wait(120) == 0, child.errors
            return child.output.strip()
        done = subprocess.run(
            [node_command(), self._script, *arguments],
            env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._forks.__exit__(None, None, None)
