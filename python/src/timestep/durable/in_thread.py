"""Calls that DBOS refuses in a thread that runs an event loop."""

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def in_thread(act: Callable[[], T]) -> T:
    """Do something in a thread of its own, wait for it, and return what it returns."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(act())
        except BaseException as error:  # noqa: BLE001 - raised below, in the thread that asked
            errors.append(error)

    thread = threading.Thread(target=run, name="timestep-call")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
