"""What the two SDKs do differently by themselves, paused or not: known_differences.txt.

A line is `name: reason`. The name is that of a function below, which sets the difference aside in
one request, in one item of a session's history, or in one saved document.
"""

import sys
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

    def concerns(self, kind: str) -> bool:
        return self.name.startswith(kind)


def set_aside(kind: str, scenario: str, document: Json) -> Json:
    """Return the request, history or document without what is known to differ."""
    for known in KNOWN:
        if known.concerns(kind):
            document = known.remove(scenario, document)
    return document


def request_output_status(_: str, body: Json) -> Json:
    return _each_input(body, "function_call_output", lambda item: _without(item, "status"))


def request_handoff_blank(_: str, body: Json) -> Json:
    def tidy(item: Json) -> Json:
        name = "output" if item.get("type") == "function_call_output" else "content"
        text = item.get(name)
        if not (isinstance(text, str) and text.startswith('{"assistant"')):
            return item
        return {**item, name: text.replace('": "', '":"')}

    return _each(_each(body, "messages", _any, tidy), "input", _any, tidy)


def request_mcp_call_output(_: str, body: Json) -> Json:
    return _each_input(body, "mcp_call", lambda item: _without(item, "output"))


def request_stream_false(_: str, body: Json) -> Json:
    return body if body.get("stream") else _without(body, "stream")


def request_agent_tool_schema(scenario: str, body: Json) -> Json:
    agents = SCENARIOS[scenario]["agents"].values()
    names = {tool["tool"] for agent in agents for tool in agent.get("agents_as_tools", [])}

    def tidy(tool: Json) -> Json:
        schema = _without(tool["parameters"], "$schema", "title", "description")
        given = {"input": _without(tool["parameters"]["properties"]["input"], "title")}
        return {**tool, "parameters": {**schema, "properties": given}}

    return _each(body, "tools", lambda tool: tool.get("name") in names, tidy)


def request_mcp_tool_schema(scenario: str, body: Json) -> Json:
    if not any("mcp_servers" in agent for agent in SCENARIOS[scenario]["agents"].values()):
        return body

    def tidy(tool: Json) -> Json:
        schema = _without(tool["parameters"], "additionalProperties")
        return {**tool, "parameters": schema}

    return _each(body, "tools", lambda tool: tool.get("strict") is False, tidy)


def request_chat_handoff_strict(_: str, body: Json) -> Json:
    def tidy(tool: Json) -> Json:
        return {**tool, "function": _without(tool["function"], "strict")}

    return _each(body, "tools", lambda tool: "function" in tool, tidy)


def request_chat_parts(_: str, body: Json) -> Json:
    def tidy(message: Json) -> Json:
        texts = [part["text"] for part in message["content"]]
        return {**message, "content": "".join(texts)}

    return _each(body, "messages", lambda message: isinstance(message.get("content"), list), tidy)


def request_own_tool_schemas(scenario: str, body: Json) -> Json:
    return _without(body, "tools") if SCENARIOS[scenario].get("own_schemas") else body


def history_handoff_blank(_: str, item: Json) -> Json:
    return request_handoff_blank("", {"input": [item]})["input"][0]


def history_call_ids(_: str, item: Json) -> Json:
    return _without(item, "id") if item.get("type") == "function_call" else item


def history_chat_parts(scenario: str, item: Json) -> Json:
    if "api" not in SCENARIOS[scenario] or not isinstance(item.get("content"), list):
        return item
    return {**item, "content": [_without(part, "logprobs") for part in item["content"]]}


def _any(_: Json) -> bool:
    return True


def _each_input(body: Json, kind: str, change: Callable[[Json], Json]) -> Json:
    return _each(body, "input", lambda item: item.get("type") == kind, change)


def _each(
    body: Json, field: str, concerns: Callable[[Json], bool], change: Callable[[Json], Json]
) -> Json:
    given = body.get(field)
    if not isinstance(given, list):
        return body
    return {**body, field: [change(item) if concerns(item) else item for item in given]}


def _without(document: Json, *names: str) -> Json:
    return {key: value for key, value in document.items() if key not in names}


def _read() -> list[Difference]:
    here = sys.modules[__name__]
    lines = Path(__file__).with_name("known_differences.txt").read_text().splitlines()
    pairs = [line.split(": ", 1) for line in lines if line and not line.startswith("#")]
    return [Difference(name, reason, getattr(here, name)) for name, reason in pairs]


KNOWN = _read()
