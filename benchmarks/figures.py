"""What a figure is, and how two things are measured side by side."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

Work = Callable[[], Awaitable[object]]


def wanted(name: str) -> bool:
    """Return whether the command line asks for the figure."""
    return not sys.argv[1:] or any(word in name for word in sys.argv[1:])


def show(name: str, measured: float, bound: float, unit: str = "x") -> None:
    """Print one figure; the bound is the most that it may be."""
    verdict = "ok" if measured <= bound else "short"
    print(f"{name}\t{measured:.2f} {unit}\t<= {bound:g} {unit}\t{verdict}", flush=True)


async def ratio(work: Work, reference: Work, *, rounds: int) -> float:
    """Return how many times as long the work takes as its reference, by the minima of both."""
    times: dict[str, list[float]] = {"work": [], "reference": []}
    await reference()
    await work()
    for _ in range(rounds):
        for name, each in (("reference", reference), ("work", work)):
            begun = time.perf_counter()
            await each()
            times[name].append(time.perf_counter() - begun)
            await asyncio.sleep(0)
    return min(times["work"]) / min(times["reference"])
