"""The tool with which an agent searches the web."""

import json
from importlib.resources import files
from typing import Any

from agents import FunctionTool, RunContextWrapper

from timestep.tools.firecrawl import search
from timestep.tools.search_query import BadQuery, read_query

_TOOL = json.loads(files("timestep.tools").joinpath("web_search.schema.json").read_text("utf-8"))


async def _run(_context: RunContextWrapper[Any], arguments: str) -> str:
    try:
        query = read_query(arguments)
    except BadQuery as error:
        return f"Nothing was searched: {error}."
    return await search(query)


web_search = FunctionTool(
    name=_TOOL["name"],
    description=_TOOL["description"],
    params_json_schema=_TOOL["parameters"],
    strict_json_schema=_TOOL["strict"],
    on_invoke_tool=_run,
)
"""Search the web through Firecrawl.

Needs FIRECRAWL_API_KEY, or FIRECRAWL_API_URL for a server of one's own. The model gets titles,
addresses and descriptions, marked as untrusted; when the service is out of order it is told so.
A missing or refused key is a UserError and ends the run. To have every search approved, use
`dataclasses.replace(web_search, needs_approval=True)`.
"""
