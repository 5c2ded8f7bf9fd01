"""HTTP connections for every event loop, and how long the model client waits by itself.

A connection belongs to the event loop that opened it; used from another one it fails with
"Event loop is closed". The SDK shares one pool of connections in the whole process, so the
second `asyncio.run` of a script would fail. Here every event loop has a pool of its own.

A service that is asked too often says how long to stay away. Up to a minute the client waits and
tries again. More is the caller's business, who may have better things to do.
"""

import asyncio
import time
from email.utils import parsedate_to_datetime
from weakref import WeakKeyDictionary

import httpx2
from agents import OpenAIResponsesModel
from agents.models.openai_provider import shared_http_client
from openai import AsyncOpenAI, DefaultAsyncHttpx2Client

_LIMITS = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)
_LONGEST_WAIT = 60  # seconds


def http_client() -> httpx2.AsyncClient:
    """Return a client with the settings of the model client, for any event loop."""
    return DefaultAsyncHttpx2Client(transport=_LoopTransport())


def use_own_connections(
    model: OpenAIResponsesModel, made: AsyncOpenAI | None
) -> AsyncOpenAI | None:
    """Let a model of the SDK call through connections as described above.

    Args:
        model: The model. A client that the application chose stays as it is.
        made: The client that an earlier call returned.

    Returns:
        The client with connections of its own, to be closed by the caller, if one was made.
    """
    client = model._client  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    pool = client._client  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    if pool is not shared_http_client():
        return made
    own = made or client.copy(http_client=http_client())
    model._client = own  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    return own


class _LoopTransport(httpx2.AsyncBaseTransport):
    def __init__(self) -> None:
        self._pools: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncHTTPTransport]
        self._pools = WeakKeyDictionary()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        loop = asyncio.get_running_loop()
        if loop not in self._pools:
            self._pools[loop] = httpx2.AsyncHTTPTransport(limits=_LIMITS)
        response = await self._pools[loop].handle_async_request(request)
        if _asked_to_wait(response.headers.get("retry-after", "0")) > _LONGEST_WAIT:
            response.headers["x-should-retry"] = "false"
        return response

    async def aclose(self) -> None:
        """Close the pool of this event loop; those of others end with their loops."""
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            await pool.aclose()


def _asked_to_wait(value: str) -> float:
    """Return how many seconds a Retry-After header asks for; 0 when it cannot be read."""
    if value.isdecimal():
        return float(value)
    try:
        return parsedate_to_datetime(value).timestamp() - time.time()
    except ValueError:
        return 0
