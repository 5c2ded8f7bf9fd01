"""The search service: one plain request to Firecrawl's `/v2/search`."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, cast

import httpx2
from agents import UserError

from timestep.settings import text
from timestep.tools.search_query import SearchQuery
from timestep.tools.search_results import results_text, visible

_SERVICE = "https://api.firecrawl.dev"
_PATIENCE = 30.0  # seconds for the whole search, a second try included
_SERVER_PATIENCE_MS = 25_000  # the service gives up first, so that it can say why
_TRY_AGAIN = frozenset({429, 502, 503})
_LONGEST_PAUSE = 5.0  # seconds; a service that asks for more is not waited for
_PAUSE = 1.0  # seconds, where the service does not say how long
_REASONS = {
    402: "the search service is out of credits",
    408: "the search took too long",
    429: "there were too many searches; try again later",
}
_logger = logging.getLogger("timestep")


async def search(query: SearchQuery, *, patience: float = _PATIENCE) -> str:
    """Return the results as text for the model, or why there are none.

    Args:
        query: What to search for.
        patience: Seconds until the search is given up (30).

    Raises:
        UserError: There is no key, or the service refuses it. The model can do nothing about it.
    """
    address, headers = _service()
    try:
        async with asyncio.timeout(patience), httpx2.AsyncClient(timeout=None) as client:
            response = await _ask(client, address, headers, _body(query))
    except TimeoutError:
        return _unavailable(f"the search service did not answer in {patience:g} seconds")
    except httpx2.HTTPError as error:
        return _unavailable("the search service cannot be reached", detail=repr(error))
    if response.status_code == 401:
        raise UserError("Firecrawl refused the key (401): check FIRECRAWL_API_KEY.")
    return _answer(response, query)


def _service() -> tuple[str, dict[str, str]]:
    address, key = text("FIRECRAWL_API_URL"), text("FIRECRAWL_API_KEY")
    if address is None and key is None:
        raise UserError(
            "web_search needs a key of Firecrawl and there is none: set FIRECRAWL_API_KEY, or "
            "FIRECRAWL_API_URL for a server of your own."
        )
    if address is not None and not address.startswith(("http://", "https://")):
        raise UserError(
            "FIRECRAWL_API_URL is no http or https address; write it as in 'http://localhost:3002'."
        )
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return f"{(address or _SERVICE).rstrip('/')}/v2/search", headers


def _body(query: SearchQuery) -> dict[str, Any]:
    body: dict[str, Any] = {"query": query.query, "limit": query.limit}
    if query.location:
        body["location"] = query.location
    if query.domains:
        body["includeDomains"] = query.domains
    return {**body, "timeout": _SERVER_PATIENCE_MS}


async def _ask(
    client: httpx2.AsyncClient, address: str, headers: dict[str, str], body: dict[str, Any]
) -> httpx2.Response:
    response = await client.post(address, headers=headers, json=body)
    pause = _pause(response)
    if pause is None:
        return response
    await asyncio.sleep(pause)
    return await client.post(address, headers=headers, json=body)


def _pause(response: httpx2.Response) -> float | None:
    """Return how many seconds to wait before the one second try, or None for no such try."""
    if response.status_code not in _TRY_AGAIN:
        return None
    asked = response.headers.get("retry-after", "")
    pause = float(asked) if asked.isdecimal() else _PAUSE
    return pause if pause <= _LONGEST_PAUSE else None


def _answer(response: httpx2.Response, query: SearchQuery) -> str:
    status = response.status_code
    body = _json(response)
    if status != 200 or body.get("success") is not True:
        detail = f"status {status}: {visible(body.get('error'), 200)}"
        return _unavailable(_REASONS.get(status, "the search service failed"), detail=detail)
    data = body.get("data")
    found = cast("Mapping[str, Any]", data).get("web") if isinstance(data, Mapping) else None
    results = cast("list[Any]", found) if isinstance(found, list) else []
    return results_text(results, query.domains, query.limit)


def _json(response: httpx2.Response) -> Mapping[str, Any]:
    try:
        body: object = response.json()
    except ValueError:
        return {}
    return cast("Mapping[str, Any]", body) if isinstance(body, Mapping) else {}


def _unavailable(reason: str, *, detail: str = "") -> str:
    _logger.warning("Web search is unavailable: %s. %s", reason, detail)
    return f"Web search is unavailable: {reason}."
