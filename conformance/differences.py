"""What the two SDKs do differently by themselves, with or without a pause: known_differences.txt.

A line is `name: reason`. The name is that of the function below that sets the difference aside.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .play import SCENARIOS

Json = dict[str, Any]


@dataclass(frozen=True)
class Difference:
    name: str
    reason: str
    remove: Callable[[str, Json], Json]


def set_aside(scenario: str, body: Json) -> Json:
    """Return the request without what is known to differ, its keys in order."""
    for known in KNOWN:
        body = known.remove(scenario, body)
    return json.loads(json.dumps(body, sort_keys=True))


def output_status(_: str, body: Json) -> Json:
    return _each_input(body, "function_call_output", lambda item: _without(item, "status"))


def handoff_blank(_: str, body: Json) -> Json:
    def tidy(item: Json) -> Json:
        if not str(item.get("output")).startswith('{"assistant"'):
            return item
        return {**item, "output": item["output"].replace('": "', '":"')}

    return _each_input(body, "function_call_output", tidy)


def stream_false(_: str, body: Json) -> Json:
    return body if body.get("stream") else _without(body, "stream")


def agent_tool_schema(scenario: str, body: Json) -> Json:
    agents = SCENARIOS[scenario]["agents"].values()
    names = {tool["tool"] for agent in agents for tool in agent.get("agents_as_tools", [])}

    def tidy(tool: Json) -> Json:
        if tool.get("name") not in names:
            return tool
        given = {"input": _without(tool["parameters"]["properties"]["input"], "title")}
        words = ("$schema", "title", "description")
        schema = {k: v for k, v in tool["parameters"].items() if k not in words}
        return {**tool, "parameters": {**schema, "properties": given}}

    return {**body, "tools": [tidy(tool) for tool in body["tools"]]} if "tools" in body else body


def own_tool_schemas(scenario: str, body: Json) -> Json:
    return _without(body, "tools") if SCENARIOS[scenario].get("own_schemas") else body


def _each_input(body: Json, kind: str, change: Callable[[Json], Json]) -> Json:
    given = body.get("input")
    if not isinstance(given, list):
        return body
    changed = [change(item) if item.get("type") == kind else item for item in given]
    return {**body, "input": changed}


def _without(document: Json, name: str) -> Json:
    return {key: value for key, value in document.items() if key != name}


def _read() -> list[Difference]:
    lines = Path(__file__).with_name("known_differences.txt").read_text().splitlines()
    pairs = [line.split(": ", 1) for line in lines if line and not line.startswith("#")]
    return [Difference(name, reason, globals()[name]) for name, reason in pairs]


KNOWN = _read()
