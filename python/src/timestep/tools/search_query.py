"""What the model asks of a web search, as the search service is asked."""

import json
import re
from dataclasses import dataclass, field
from typing import Any, cast

_RESULTS = {"low": 5, "medium": 10, "high": 20}
_LONGEST_QUERY = 500
_DOMAIN = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")


class BadQuery(Exception):  # noqa: N818 - it is told to the model, not to the caller
    """The arguments cannot be searched for; the message tells the model why."""


@dataclass(frozen=True)
class SearchQuery:
    """One search."""

    query: str
    limit: int
    location: str | None = None
    domains: list[str] = field(default_factory=list[str])


def read_query(arguments: str) -> SearchQuery:
    """Return the search that the arguments of a tool call describe.

    Args:
        arguments: The exact JSON text of the call.

    Raises:
        BadQuery: They do not fit the tool's schema, which not every provider enforces.
    """
    try:
        given: object = json.loads(arguments)
    except ValueError as error:
        raise BadQuery("the arguments are no JSON") from error
    if not isinstance(given, dict):
        raise BadQuery("the arguments are no JSON object")
    members = cast("dict[str, Any]", given)
    size = members.get("search_context_size") or "medium"
    if not isinstance(size, str) or size not in _RESULTS:
        raise BadQuery("search_context_size is none of low, medium, high")
    return SearchQuery(
        query=_query(members.get("query")),
        limit=_RESULTS[size],
        location=_location(members.get("user_location")),
        domains=_domains(members.get("filters")),
    )


def _query(given: object) -> str:
    if not isinstance(given, str) or not given.strip():
        raise BadQuery("query is no text or is empty")
    if len(given.strip()) > _LONGEST_QUERY:
        raise BadQuery(f"query is longer than {_LONGEST_QUERY} characters")
    return given.strip()


def _location(given: object) -> str | None:
    if given is not None and not isinstance(given, str):
        raise BadQuery("user_location is neither a text nor null")
    return (given or "").strip() or None


def _domains(filters: object) -> list[str]:
    if filters is None:
        return []
    if not isinstance(filters, dict):
        raise BadQuery("filters is neither an object nor null")
    allowed = cast("dict[str, object]", filters).get("allowed_domains")
    if allowed is None:
        return []
    if not isinstance(allowed, list):
        raise BadQuery("allowed_domains is neither a list nor null")
    return [_domain(entry) for entry in cast("list[object]", allowed)]


def _domain(given: object) -> str:
    domain = given.strip().lower() if isinstance(given, str) else ""
    if not _DOMAIN.fullmatch(domain):
        raise BadQuery("allowed_domains holds an entry that is no domain such as example.com")
    return domain
