"""Limits on model calls and tokens, shared by all processes of both languages.

- Who decides: PostgreSQL (`reserve_model_call_v1`): calls get their times in the order of asking.
- What time means: the database's clock. A call waits until its time, never less.
- On failure: a process that dies with a reserved time has used it up; no window holds more calls
  than allowed.
"""

import asyncio
import json
import math
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from agents import Usage

from timestep import documents
from timestep.database import open_database
from timestep.durable.process import Process, current_process
from timestep.errors import ConfigurationError

REREAD_SECONDS = 10.0
_CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True, kw_only=True)
class ModelRateLimit:
    """How many model calls and tokens are allowed in a period, in any window of that length.

    Attributes:
        requests: Model calls (None: any number).
        tokens: Tokens of input and output; estimated before a call, corrected after it (None: any
            number).
        per: The length of the period (one minute).
    """

    requests: int | None = None
    tokens: int | None = None
    per: timedelta = timedelta(minutes=1)

    def __post_init__(self) -> None:
        """Refuse a limit that limits nothing or everything."""
        if self.requests is None and self.tokens is None:
            raise ConfigurationError("A ModelRateLimit needs requests, tokens, or both.")
        for name in ("requests", "tokens"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ConfigurationError(f"{name} is {value}; expected 1 or more, or None.")
        if self.per <= timedelta(0):
            raise ConfigurationError(f"per is {self.per}; expected more than no time.")


async def set_rate_limit(model_or_provider: str, limit: ModelRateLimit | None) -> None:
    """Limit the model calls of durable runs, in every process of both languages.

    Processes that run already notice within 10 seconds.

    Args:
        model_or_provider: A model's name as agents give it ("gpt-4.1", "ollama/llama3"), or that
            of a provider ("openai", "ollama") for all its models together.
        limit: What is allowed; None removes the limit.

    Raises:
        ConfigurationError: The name is empty.
    """
    name = model_or_provider.strip().removeprefix("openai/")
    if not name:
        raise ConfigurationError("Which model or provider is to be limited? The name is empty.")
    database = await open_database()
    if limit is None:
        await database.fetch(
            "delete from timestep.rate_limits where name = %s", name, repeatable=True
        )
    else:
        await database.fetch(
            "insert into timestep.rate_limits (name, requests, tokens, per_seconds)"
            " values (%s, %s, %s, %s) on conflict (name) do update set requests ="
            " excluded.requests, tokens = excluded.tokens, per_seconds = excluded.per_seconds,"
            " updated_at = now()",
            documents.without_nul(name),
            limit.requests,
            limit.tokens,
            limit.per.total_seconds(),
            repeatable=True,
        )
    if (process := current_process()) is not None:
        process.limits_read_at = -math.inf


class PacedCall:
    """A model call that was given its time."""

    def __init__(self, slots: list[int]) -> None:
        self.slots = slots
        self.tokens: int | None = None

    def used(self, usage: Usage) -> None:
        """Note what the call used."""
        self.tokens = usage.total_tokens


@asynccontextmanager
async def paced(
    process: Process, model: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> AsyncGenerator[PacedCall]:
    """Wait until a model call may be made; its tokens are counted when the block ends."""
    names = names_of(model)
    if not await _are_limited(process, names):
        yield PacedCall([])
        return
    rows = await process.database.fetch(
        "select * from timestep.reserve_model_call_v1(%s, %s)",
        names,
        estimate(args, kwargs),
        repeatable=True,  # at worst a time is given to nobody
    )
    call = PacedCall(rows[0]["slots"])
    await asyncio.sleep(rows[0]["wait_seconds"])
    yield call
    if call.tokens is not None and call.slots:
        await process.database.fetch(
            "select timestep.settle_model_call_v1(%s, %s)", call.slots, call.tokens, repeatable=True
        )


def names_of(model: str) -> list[str]:
    """Return the names under which a model may be limited: its own and its provider's."""
    name = model.removeprefix("openai/")
    return [name, name.split("/", 1)[0] if "/" in name else "openai"]


def estimate(args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    """Return about how many tokens a model call will use."""
    given = (
        dict(zip(("system_instructions", "input", "model_settings"), args, strict=False)) | kwargs
    )
    text = (given.get("system_instructions") or "") + json.dumps(given.get("input"), default=str)
    most = getattr(given.get("model_settings"), "max_tokens", None) or 0
    return math.ceil(len(text) / _CHARACTERS_PER_TOKEN) + most


async def _are_limited(process: Process, names: list[str]) -> bool:
    asked_at = time.monotonic()
    if asked_at - process.limits_read_at > REREAD_SECONDS:
        rows = await process.database.fetch(
            "select name from timestep.rate_limits", repeatable=True
        )
        # noted only now: until it is there, every call has to ask for itself
        process.limited = frozenset(row["name"] for row in rows)
        process.limits_read_at = asked_at
    return not process.limited.isdisjoint(names)
