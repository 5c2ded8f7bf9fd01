"""One process that plays a part of the run: started, listened to, and ended whatever happens."""

import json
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any, cast

from timestep.demo.languages import Language
from timestep.errors import TimestepError

LONGEST_SECONDS = 120.0
Event = dict[str, Any]


@dataclass(frozen=True)
class Call:
    """A call of a tool: made, if it has an output, else waiting for a decision."""

    tool: str
    arguments: dict[str, Any]
    output: str | None = None

    def __str__(self) -> str:
        """Return it as code would have it."""
        given = ", ".join(f"{name}={json.dumps(value)}" for name, value in self.arguments.items())
        return f"{self.tool}({given})"


@dataclass
class Part:
    """What one process did.

    Attributes:
        language: "Python" or "TypeScript".
        runtime: Such as "Node.js 24.1.0".
        process: Its number.
        calls: The tools that ran in it.
        version: The version of the state it saved (None: it finished the run).
        waiting: The calls that the saved run waits for.
        answer: What the agent said at the end (None: the run was paused, or the process killed).
        killed: Whether it was killed on purpose.
    """

    language: str
    runtime: str = ""
    process: int = 0
    calls: list[Call] = field(default_factory=list[Call])
    version: int | None = None
    waiting: list[Call] = field(default_factory=list[Call])
    answer: str | None = None
    killed: bool = False

    def __str__(self) -> str:
        """Return which process it was."""
        language = "" if self.runtime.startswith(self.language) else f"{self.language}, "
        return f"{language}{self.runtime}, process {self.process}"

    def hear(self, event: Event) -> None:
        """Take in what the process says."""
        match event:
            case {"event": "resumes" | "waits"}:
                pass
            case {"event": "began"}:
                self.runtime, self.process = event["runtime"], event["process"]
            case {"event": "called"}:
                self.calls.append(Call(event["tool"], event["arguments"], event["output"]))
            case {"event": "paused"}:
                self.version = event["version"]
                self.waiting = [
                    Call(each["tool"], json.loads(each["arguments"])) for each in event["calls"]
                ]
            case {"event": "finished"}:
                self.answer = event["answer"]
            case {"event": "failed"}:
                raise TimestepError(f"The {self.language} process failed: {event['error']}")
            case _:
                raise TimestepError(f"The {self.language} process said {event!r}.")


def play(
    language: Language,
    task: dict[str, Any],
    *,
    environment: dict[str, str],
    tell: Callable[[Part, Event], None],
    kill_when: Callable[[Part], bool] | None = None,
) -> Part:
    """Play a part in a process of its own and return what it did once the process has ended.

    Args:
        language: In which language.
        task: What to do; see `timestep.demo.main`.
        environment: The environment of the process.
        tell: Told of everything that happens, as it happens.
        kill_when: Asked after everything that happens whether to kill the process (None: never).

    Raises:
        TimestepError: The process failed, or was not done within 120 seconds.
    """
    part = Part(language.name)
    late = threading.Event()
    # In a session of its own: Ctrl-C reaches this process only, which then ends the other.
    process = subprocess.Popen(  # noqa: S603 - our own program, no shell
        language.command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )

    def end() -> None:
        late.set()
        process.kill()

    def hear(event: Event) -> None:
        part.hear(event)
        tell(part, event)
        if kill_when is not None and kill_when(part):
            part.killed = True
            process.kill()

    timer = threading.Timer(LONGEST_SECONDS, end)
    timer.start()
    try:
        _listen(process, task, hear)
    finally:
        timer.cancel()
        process.kill()
        process.wait()
    if part.version is None and part.answer is None and not part.killed:
        raise _unfinished(part, late=late.is_set(), code=process.returncode)
    tell(part, {"event": "ended"})
    return part


def _listen(
    process: subprocess.Popen[str], task: dict[str, Any], hear: Callable[[Event], None]
) -> None:
    """Hand the process its task and hear it out."""
    task_line, said = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
    # Closed only afterwards: the process ends when its standard input does.
    with said, suppress(BrokenPipeError), task_line:
        task_line.write(json.dumps(task) + "\n")
        task_line.flush()
        for line in said:
            hear(cast("Event", json.loads(line)))
        process.wait()


def _unfinished(part: Part, *, late: bool, code: int) -> TimestepError:
    if late:
        return TimestepError(
            f"The {part.language} process was not done within {LONGEST_SECONDS:.0f} seconds and "
            "was ended. Its run can be gone on with once its claim or its lease has run out."
        )
    return TimestepError(
        f"The {part.language} process ended with exit code {code} before it was done; what it "
        "said is on standard error."
    )
