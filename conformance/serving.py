"""A program that does what lines of JSON say. serving.ts is the same in TypeScript.

A command is {"id", "do", …}. What happens on the way comes as {"id", "event", …}; the last line
is {"id", "result"} or {"id", "error": {"name", "message"}}. Commands run side by side.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

Json = dict[str, Any]
Tell = Callable[[Json], None]
Command = Callable[[Json, Tell], Awaitable[Any]]


async def serve(
    commands: dict[str, Command], prepare: Callable[[Json], Awaitable[None]] | None = None
) -> None:
    """Carry out commands until standard input ends.

    Args:
        commands: What can be asked for, by name.
        prepare: Awaited with each command before it begins, one after the other (None).
    """
    running: set[asyncio.Task[None]] = set()
    _say({"event": "ready", "pid": os.getpid()})
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        if prepare is not None:
            await prepare(command)
        task = asyncio.create_task(_answer(commands[command["do"]], command))
        running.add(task)
        task.add_done_callback(running.discard)


async def _answer(carry_out: Command, command: Json) -> None:
    def tell(event: Json) -> None:
        _say({"id": command["id"], **event})

    try:
        tell({"result": await carry_out(command, tell)})
    except Exception as error:  # noqa: BLE001 - the test looks at it
        tell({"error": {"name": type(error).__name__, "message": str(error)}})


def _say(line: Json) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def fork_when_asked() -> None:
    """With --fork, return in each new process, with the pipes that its line named as streams.

    Each line of standard input names two pipes, from which a new process of its own reads commands
    and to which it writes answers. Nothing is imported twice, so that a test may start and kill a
    hundred of them.
    """
    if "--fork" not in sys.argv:
        return
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    sys.stdout.write('{"event": "ready"}\n')
    sys.stdout.flush()
    named = open(sys.stdin.fileno(), "rb", buffering=0)  # noqa: SIM115, PTH123 - a child reads none
    while line := named.readline():
        if os.fork():
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        pipes = json.loads(line)
        sys.stdin = open(pipes["commands"])  # noqa: SIM115, PTH123 - until the process ends
        sys.stdout = open(pipes["answers"], "w")  # noqa: SIM115, PTH123 - as long
        return
    sys.exit()
