"""What a measured program says to the one that measures it, and is told."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable


def say(word: str) -> None:
    """Say that something happens now, on the clock that all processes share."""
    sys.stdout.write(f"{word} {time.monotonic()}\n")
    sys.stdout.flush()


class Calls:
    """Says every model call; those of one turn never get an answer, where one is named."""

    def __init__(self, stop_at: int | None) -> None:
        self.stop_at = stop_at

    async def __call__(self, number: int) -> None:
        """Say the call of a turn."""
        say("call")
        if number == self.stop_at:
            say("waiting")
            await asyncio.Event().wait()


async def obey(work: Callable[[], Awaitable[object]]) -> None:
    """Do the work once for every line on standard input, and say when it began and ended."""
    await work()
    say("ready")
    while await asyncio.to_thread(sys.stdin.readline):
        say("began")
        await work()
        say("done")
