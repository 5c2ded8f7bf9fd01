"""What the two SDKs do differently by themselves, paused or not: known_differences.txt.

A line is `name: reason`. The name is that of a function below, which sets the difference aside in
one request, in one item of a session's history, or in one saved document. A line
`scenario name: reason` says that in this scenario the SDKs leave different runs to be saved.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from .play import SCENARIOS

Json = dict[str, Any]


# What a difference may be seen in, and how its name begins then. `resumed` is a request of a run
# that changed language, compared with the same request of the same language alone.
KINDS = {
    "request": ("request_", "resumed_"),
    "resumed": ("resumed_",),
    "history": ("history_",),
    "document": ("document_",),
    "report": ("report_",),
}


@dataclass(frozen=True)
class Difference:
    name: str
    reason: str
    remove: Callable[[str, Json], Json]

    def concerns(self, kind: str) -> bool:
        return self.name.startswith(KINDS[kind])


def set_aside(kind: str, scenario: str, document: Json, but: Difference | None = None) -> Json:
    """Return the request, history or document without what is known to differ, but for one."""
    for known in KNOWN:
        if known.concerns(kind) and known is not but:
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


def resumed_chat_parts(_: str, body: Json) -> Json:
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


def document_tool_guardrails(_: str, document: Json) -> Json:
    if "guardrails" not in document or len(document["responses"]) < 2:
        return document
    kept = _without(document["guardrails"], "tool_input", "tool_output")
    pending = _without(document.get("pending", {}), "tool_output_guardrail_start")
    return {**document, "guardrails": kept, "pending": pending}


def document_parallel_usage(scenario: str, document: Json) -> Json:
    if scenario != "agents_as_tools_in_parallel":
        return document
    entries = sorted(document["usage"]["entries"], key=str)
    return {**document, "usage": {**document["usage"], "entries": entries}}


def report_after_failure(scenario: str, report: Json) -> Json:
    return _without(report, "turn") if "fails" in SCENARIOS[scenario] else report


def document_after_failure(_: str, document: Json) -> Json:
    if document["status"] != "run_again":
        return document
    return {name: document.get(name) for name in ("agent", "approvals", "context", "usage")}


def _any(_: Json) -> bool:
    return True


def _each_input(body: Json, kind: str, change: Callable[[Json], Json]) -> Json:
    return _each(body, "input", lambda item: item.get("type") == kind, change)


def _each(
    body: Json, field: str, concerns: Callable[[Json], bool], change: Callable[[Json], Json]
) -> Json:
    if not isinstance(body.get(field), list):
        return body
    given = cast("list[Json]", body[field])
    return {**body, field: [change(item) if concerns(item) else item for item in given]}


def _without(document: Json, *names: str) -> Json:
    return {key: value for key, value in document.items() if key not in names}


def _lines() -> dict[str, str]:
    text = Path(__file__).with_name("known_differences.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return dict(line.split(": ", 1) for line in lines)


_LINES = _lines()
SAVED_DIFFERENTLY = {
    name.removeprefix("scenario "): reason
    for name, reason in _LINES.items()
    if name.startswith("scenario ")
}
KNOWN = [
    Difference(name, reason, getattr(sys.modules[__name__], name))
    for name, reason in _LINES.items()
    if not name.startswith("scenario ")
]
