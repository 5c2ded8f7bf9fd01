"""The last turn boundary of a run, rebuilt from its journal.

Running the agent loop again from the first turn would give the same state, more slowly with every
turn. So the state before the last recorded model response is put together from the record and
handed to a fresh loop. Where the record does not tell for certain what the loop made of it, nothing
is rebuilt, and the loop does run again, every call answered from the record.
"""

import dataclasses
from typing import TYPE_CHECKING, Any, cast

from agents import Agent, Handoff, ItemHelpers, RunConfig, Usage
from agents.memory import Session as SessionProtocol
from agents.usage import serialize_usage

from timestep import documents
from timestep.durable.journal import Journal, Step, model_key, tool_key
from timestep.durable.keeping_items import keeps_items
from timestep.durable.loop import Loop
from timestep.durable.recorded_model import response_of
from timestep.durable.recorded_session import OwnSession, recorded_session
from timestep.durable.registry import agent_of_tool, reachable
from timestep.run_state.from_envelope import from_envelope
from timestep.run_state.items import portable_item
from timestep.run_state.record import FORMAT, Envelope, Item, Response, Wire
from timestep.run_state.usage import stored_usage

if TYPE_CHECKING:
    from timestep.durable.beginning import Beginning
    from timestep.durable.execution import Execution

_ITEM_TYPES = {
    "message": "message_output_item",
    "reasoning": "reasoning_item",
    "function_call": "tool_call_item",
    "web_search_call": "tool_call_item",
    "file_search_call": "tool_call_item",
    "code_interpreter_call": "tool_call_item",
    "image_generation_call": "tool_call_item",
}


class UncertainError(Exception):
    """The record does not tell what the loop made of it."""


async def last_boundary(
    execution: "Execution",
    beginning: "Beginning",
    session: SessionProtocol | None,
    config: RunConfig,
) -> "Beginning | None":
    """Return where the turn in flight began; None: execute the segment from its start."""
    turns = _recorded_turns(execution.journal)[:-1]
    if not turns or not keeps_items(execution.agent, beginning.options, config):
        return None
    try:
        rebuilt = _Rebuilt(execution, turns)
        original, own = await _original_input(execution, beginning, session)
        there = 0
        if session is not None:
            there = await _items_there(execution, session, own, rebuilt.items)
    except UncertainError:
        return None
    state = await from_envelope(
        rebuilt.envelope(original, beginning.options),
        execution.agents.of(execution.agent),
        context_override=execution.live.context if execution.live else None,
    )
    if session is None:
        return dataclasses.replace(beginning, run_input=state, options={})
    # a loop that begins with a state adds what is new in it only
    said = [item.to_input_item() for item in state._generated_items]  # noqa: SLF001 - the state has no public items  # pyright: ignore[reportPrivateUsage]
    items = cast("list[Any]", [*own, *said])
    loop = Loop(execution, "", added=there)
    await recorded_session(session, loop).add_items(items[there:])
    return dataclasses.replace(beginning, run_input=state, options={}, added=len(items))


def _recorded_turns(journal: Journal) -> list[Step]:
    turns: list[Step] = []
    while (step := journal.rows.get(model_key("", len(turns)))) is not None:
        turns.append(step)
    return turns


class _Rebuilt:
    """The items, responses and usage of finished turns."""

    def __init__(self, execution: "Execution", turns: list[Step]) -> None:
        self.journal = execution.journal
        self.agents = {agent.name: agent for agent in reachable(execution.agent)}
        self.items: list[Item] = []
        self.responses: list[Response] = []
        self.usage = Usage()
        self.turn = len(turns)
        last = self.journal.rows[model_key("", len(turns))]
        for step, following in zip(turns, [*turns[1:], last], strict=True):
            self._add_turn(step, following.agent)
        self.agent = last.agent

    def envelope(self, original: str | list[Wire], options: dict[str, Any]) -> Envelope:
        context = {"context": options["context"]} if "context" in options else {}
        return cast(
            "Envelope",
            {
                "format": FORMAT,
                "writer": {
                    "language": "python",
                    "sdk_version": "0",
                    "schema_version": "0",
                    "timestep_version": "0",
                },
                "status": "run_again",
                "agent": self.agent,
                "turn": self.turn,
                "max_turns": options.get("max_turns"),
                "original_input": original,
                "items": self.items,
                "responses": self.responses,
                "usage": stored_usage(serialize_usage(self.usage), whole=True),
                **context,
            },
        )

    def _add_turn(self, step: Step, next_agent: str) -> None:
        body = cast("dict[str, Any]", step.body)
        self.usage.add(response_of(step).usage)
        places = list(range(len(self.items), len(self.items) + len(body["output"])))
        self.responses.append(cast("Response", {**body, "output": places}))
        calls: list[Wire] = []
        handoffs = _handoffs(self._agent(step.agent))
        for raw in body["output"]:
            handoff = raw.get("type") == "function_call" and raw["name"] in handoffs
            kind = "handoff_call_item" if handoff else _ITEM_TYPES.get(raw["type"])
            if kind is None:
                raise UncertainError
            self.items.append({"type": kind, "raw": raw, "agent": step.agent})
            if raw["type"] == "function_call":
                calls.append(raw)
        if any(call["name"] in handoffs for call in calls):
            self._add_handoff(step, calls, handoffs, next_agent)
        elif next_agent != step.agent or not calls:
            raise UncertainError
        else:
            for call in calls:
                self._add_output(step, call)

    def _add_handoff(
        self, step: Step, calls: list[Wire], handoffs: dict[str, str], target: str
    ) -> None:
        # beside other calls the loop decides which one counts and what becomes of the rest
        if len(calls) != 1 or handoffs[calls[0]["name"]] != target:
            raise UncertainError
        output = documents.dump({"assistant": target})
        raw = {"call_id": calls[0]["call_id"], "output": output, "type": "function_call_output"}
        self.items.append(
            {
                "type": "handoff_output_item",
                "raw": raw,
                "source_agent": step.agent,
                "target_agent": target,
            }
        )

    def _add_output(self, step: Step, call: Wire) -> None:
        row = self.journal.rows.get(tool_key("", call["call_id"]))
        if row is None or row.status == "started" or row.name != call["name"]:
            raise UncertainError
        body = cast("dict[str, Any]", row.body)
        raw = {
            "call_id": call["call_id"],
            "output": body["output"],
            "type": "function_call_output",
        }
        item: Item = {"type": "tool_call_output_item", "raw": raw, "agent": step.agent}
        if "value" in body and row.language == "python" and isinstance(body["output"], str):
            item["output"] = body["value"]
        self.items.append(item)
        if self._is_agent_tool(step.agent, call["name"]):
            for inner in self.journal.models_inside(row.key.removeprefix("t:")):
                self.usage.add(response_of(inner).usage)

    def _is_agent_tool(self, agent: str, name: str) -> bool:
        return any(agent_of_tool(t) for t in self._agent(agent).tools if t.name == name)

    def _agent(self, name: str) -> Agent[Any]:
        if name not in self.agents:
            raise UncertainError
        return self.agents[name]


def _handoffs(agent: Agent[Any]) -> dict[str, str]:
    """Return the names of an agent's handoffs and where they lead."""
    return dict(
        (each.tool_name, each.agent_name)
        if isinstance(each, Handoff)
        else (Handoff.default_tool_name(each), each.name)
        for each in agent.handoffs
    )


async def _original_input(
    execution: "Execution", beginning: "Beginning", session: SessionProtocol | None
) -> tuple[str | list[Wire], list[Wire]]:
    """Return what the first model call was given, and what of it is the run's own."""
    given = cast("Any", beginning.run_input)
    own = cast("list[Wire]", ItemHelpers.input_to_new_input_list(given))
    if session is None:
        return given, own
    history = await recorded_session(session, Loop(execution, "")).get_items()
    return [*cast("list[Wire]", history), *own], own


async def _items_there(
    execution: "Execution",
    session: SessionProtocol,
    own: list[Wire],
    items: list[Item],
) -> int:
    """Return how many items of the finished turns the session holds.

    This SDK adds them after every turn, TypeScript's at the end of the run only.

    Raises:
        UncertainError: What is there is not what the finished turns add.
    """
    if not isinstance(recorded_session(session, Loop(execution, "")), OwnSession):
        raise UncertainError
    expected = [*own, *(cast("Wire", item["raw"]) for item in items)]
    rows = await execution.journal.database.fetch(
        "select document from timestep.session_items where session_id = %s and append_key = %s"
        " and append_position < %s order by append_position",
        session.session_id,
        f"run:{execution.journal.run_id}",
        len(expected),
        repeatable=True,
    )
    found = [documents.load(row["document"]) for row in rows]
    for one, other in zip(found, expected, strict=False):
        if _bare(cast("Wire", one)) != _bare(portable_item(other)):
            raise UncertainError
    return len(found)


def _bare(item: Wire) -> Wire:
    """Return an item without what the SDK adds or drops on the way to a session."""
    if item.get("type") == "function_call_output" and isinstance(item.get("output"), str):
        return {"call_id": item["call_id"]}
    return {k: v for k, v in item.items() if v is not None and k not in ("status", "type", "id")}
