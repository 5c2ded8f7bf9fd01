"""What the two SDKs do differently by themselves, whether a run pauses or not, each exactly.

A function here makes of what one SDK does what the other does in its place, and tells it in the
words that docs/crossing-languages.md has for users. Nothing is set aside: where an SDK changes, or
does something else that the other does not, the comparison of both in test_sdks.py fails.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from .play import SCENARIOS, Play

Json = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a request was made."""

    played: Play
    number: int

    @property
    def scenario(self) -> Json:
        return SCENARIOS[self.played.name]

    def is_in_the_part_of(self, number: int) -> bool:
        """Whether the run has not paused since the request of that number."""
        return self.played.asked_in[number] == self.played.asked_in[self.number]


# Requests, from Python's to TypeScript's


def whole_answers(body: Json, _: Place) -> Json:
    """Without streaming, TypeScript sends `"stream": false`, Python sends no `stream`."""
    return {"stream": False, **body}


def statuses_of_outputs(body: Json, _: Place | None = None) -> Json:
    """TypeScript sends the status of a tool's output (`"completed"`), Python sends none."""
    return _each_input(body, "function_call_output", lambda item: {"status": "completed", **item})


def outputs_of_handoffs(body: Json, place: Place) -> Json:
    """Python writes the output of a handoff with a blank after the colon, TypeScript without."""
    calls = _handoff_calls(body, _handoff_tools(place.scenario))

    def compact(item: Json) -> Json:
        if item.get("type") == "function_call_output" and item["call_id"] in calls:
            return handoff_output_of_typescript(item, "output")
        if item.get("role") == "tool" and item["tool_call_id"] in calls:
            return handoff_output_of_typescript(item, "content")
        return item

    return _each(_each(body, "input", compact), "messages", compact)


def outputs_of_hosted_calls(body: Json, _: Place) -> Json:
    """In the same run Python sends the output of a hosted MCP call back, TypeScript does not."""
    return _each_input(body, "mcp_call", lambda item: _without(item, "output"))


def arguments_of_agents_as_tools(body: Json, place: Place) -> Json:
    """The one argument of an agent as a tool is described in other words."""
    agents = place.scenario["agents"].values()
    names = {tool["tool"] for agent in agents for tool in agent.get("agents_as_tools", [])}

    def described(tool: Json) -> Json:
        if tool.get("name") not in names:
            return tool
        assert tool["parameters"] == {
            "description": "Default input schema for agent-as-tool calls.",
            "properties": {"input": {"title": "Input", "type": "string"}},
            "required": ["input"],
            "title": "AgentAsToolInput",
            "type": "object",
            "additionalProperties": False,
        }
        parameters = {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "properties": {"input": {"type": "string"}},
            "required": ["input"],
            "type": "object",
            "additionalProperties": False,
        }
        return {**tool, "parameters": parameters}

    return _each(body, "tools", described)


def arguments_of_own_tools(body: Json, place: Place) -> Json:
    """A tool's arguments are described by pydantic in Python and by zod in TypeScript."""
    if "described" not in place.scenario:
        return body
    (tool,) = body["tools"]
    assert tool["parameters"] == place.scenario["described"]["python"]
    return {**body, "tools": [{**tool, "parameters": place.scenario["described"]["typescript"]}]}


def arguments_of_local_mcp_tools(body: Json, place: Place) -> Json:
    """TypeScript adds `"additionalProperties": true` to the schemas of local MCP tools."""
    if not any("mcp_servers" in agent for agent in place.scenario["agents"].values()):
        return body

    def open_ended(tool: Json) -> Json:
        if tool["strict"]:
            return tool
        return {**tool, "parameters": {"additionalProperties": True, **tool["parameters"]}}

    return _each(body, "tools", open_ended)


def strict_handoffs(body: Json, place: Place) -> Json:
    """Over chat completions Python marks the tool of a handoff as strict, TypeScript does not."""
    names = _handoff_tools(place.scenario)

    def plain(tool: Json) -> Json:
        function = tool.get("function", {})
        if function.get("name") not in names:
            return tool
        assert function["strict"] is True
        return {**tool, "function": _without(function, "strict")}

    return _each(body, "tools", plain)


def words_beside_calls(body: Json, place: Place) -> Json:
    """Over chat completions TypeScript sends what the model said beside a call as a part, with the
    whole message once more, until the run pauses; Python sends a plain text."""
    answers = iter(range(len(body.get("messages", []))))

    def as_part(message: Json) -> Json:
        if message["role"] != "assistant":
            return message
        answer = next(answers)
        if message["content"] is None:
            return message
        part = {"type": "text", "text": message["content"]}
        if place.is_in_the_part_of(answer):
            part |= _rest_of_message(message, streamed=place.played.stream)
        return {**message, "content": [part]}

    return _each(body, "messages", as_part)


def _rest_of_message(message: Json, *, streamed: bool) -> Json:
    if streamed:
        return {"annotations": []}
    calls = {"tool_calls": message["tool_calls"]}
    return {"role": "assistant", "refusal": None, "annotations": [], **calls}


REQUESTS: list[Callable[[Json, Place], Json]] = [
    whole_answers,
    statuses_of_outputs,
    outputs_of_handoffs,
    outputs_of_hosted_calls,
    arguments_of_agents_as_tools,
    arguments_of_own_tools,
    arguments_of_local_mcp_tools,
    strict_handoffs,
    words_beside_calls,
]


def request_of_typescript(body: Json, place: Place) -> Json:
    """Return what TypeScript's SDK sends where Python's sends the body."""
    for change in REQUESTS:
        body = change(body, place)
    return body


# Items of sessions, from Python's to TypeScript's


def ids_of_calls(item: Json, _: set[str]) -> Json:
    """TypeScript gives function calls to a session without their item ids, Python with them."""
    return _without(item, "id") if item.get("type") == "function_call" else item


def outputs_of_handoffs_in_sessions(item: Json, handoffs: set[str]) -> Json:
    """In a session too, the output of a handoff is what its SDK wrote."""
    is_one = item.get("type") == "function_call_output" and item["call_id"] in handoffs
    return handoff_output_of_typescript(item, "output") if is_one else item


ITEMS: list[Callable[[Json, set[str]], Json]] = [ids_of_calls, outputs_of_handoffs_in_sessions]


def history_of_typescript(history: list[Json], scenario: Json) -> list[Json]:
    """Return the items that TypeScript's SDK appends where Python's appends these."""
    handoffs = handoffs_in(history, scenario)
    for change in ITEMS:
        history = [change(item, handoffs) for item in history]
    return history


def handoffs_in(history: list[Json], scenario: Json) -> set[str]:
    """Return the ids of the handoffs among the items."""
    tools = _handoff_tools(scenario)
    return {item["call_id"] for item in history if item.get("name") in tools}


# Saved documents, from TypeScript's to Python's


def guardrails_of_resumed_turns(document: Json, played: Play, number: int) -> Json:
    """Python forgets what the guardrails of tools said in a turn that was resumed and goes on."""
    if played.name != "guardrails" or number == 0:
        return document
    guardrails, pending = document["guardrails"], document["pending"]
    assert [result["name"] for result in guardrails["tool_input"]] == ["amount_seen"]
    seen = [result["name"] for result in guardrails["tool_output"]]
    assert seen == ["output_hidden", "output_seen"]
    assert pending["tool_output_guardrail_start"] == 2
    kept = {**_without(guardrails, "tool_input"), "tool_output": guardrails["tool_output"][:1]}
    pending = _without(pending, "tool_output_guardrail_start")
    return {**document, "guardrails": kept, "pending": pending}


def refusals(document: Json, played: Play, number: int) -> Json:
    """When the model refuses, TypeScript keeps its answer and counts the turn, Python does not."""
    if played.name != "refusal" or number == 0:
        return document
    *others, refused = document["responses"]
    (message,) = refused["output"]
    assert message["content"] == [{"type": "refusal", "refusal": "I will not."}]
    return {**document, "responses": others, "turn": document["turn"] - 1}


def later_errors(document: Json, played: Play, number: int) -> Json:
    """Without streaming, Python saves a run that failed in a later turn than the one it was resumed
    in as a conversation: what was said and done since the start is its input."""
    if played.name != "fails_later_then_resumed" or number == 0 or played.stream:
        return document
    done = [item["raw"] for item in document["items"]]
    first, _ = document["responses"]
    first = {**first, "output": [done[place] for place in first["output"]]}
    document = _without(document, "items", "session_persisted")
    return {**document, "original_input": document["original_input"] + done, "responses": [first]}


DOCUMENTS: list[Callable[[Json, Play, int], Json]] = [
    guardrails_of_resumed_turns,
    refusals,
    later_errors,
]


def document_of_python(document: Json, played: Play, number: int) -> Json:
    """Return what Python saves where TypeScript saves the document."""
    for change in DOCUMENTS:
        document = change(document, played, number)
    return document


def sentence(change: Callable[..., Any]) -> str:
    """Return what a change is, as users are told it."""
    return " ".join((change.__doc__ or "").split())


def handoff_output_of_typescript(item: Json, field: str) -> Json:
    """Return the item with its output as TypeScript writes it; it must be as Python does."""
    text = item[field]
    output = json.loads(text)
    assert list(output) == ["assistant"]
    assert text == json.dumps(output)
    return {**item, field: json.dumps(output, separators=(",", ":"))}


def _handoff_tools(scenario: Json) -> set[str]:
    agents = scenario["agents"].values()
    return {handoff["tool"] for agent in agents for handoff in agent.get("handoffs", [])}


def _handoff_calls(body: Json, tools: set[str]) -> set[str]:
    """Return the ids of the handoffs in a request."""
    items = cast("list[Json]", body["input"] if isinstance(body.get("input"), list) else [])
    messages = cast("list[Json]", body.get("messages", []))
    made = [call for message in messages for call in _calls_in(message)]
    return {item["call_id"] for item in items if item.get("name") in tools} | {
        call["id"] for call in made if call["function"]["name"] in tools
    }


def _calls_in(message: Json) -> list[Json]:
    return cast("list[Json]", message.get("tool_calls") or [])


def _each_input(body: Json, kind: str, change: Callable[[Json], Json]) -> Json:
    return _each(body, "input", lambda item: change(item) if item.get("type") == kind else item)


def _each(body: Json, field: str, change: Callable[[Json], Json]) -> Json:
    if not isinstance(body.get(field), list):
        return body
    return {**body, field: [change(item) for item in cast("list[Json]", body[field])]}


def _without(document: Json, *names: str) -> Json:
    return {key: value for key, value in document.items() if key not in names}
