"""Limits on model calls and tokens, shared by all processes of both languages."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from agents import Usage

from timestep.durable.process import Process


class PacedCall:
    """A model call that was given its time."""

    def used(self, usage: Usage) -> None:
        """Note what the call used."""


@asynccontextmanager
async def paced(
    process: Process, model: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> AsyncGenerator[PacedCall]:
    """Wait for the call's time."""
    yield PacedCall()
