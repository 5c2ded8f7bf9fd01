"""Whatever a run holds, its document survives the way through the SDK byte for byte."""

import asyncio
import json
from pathlib import Path
from typing import Any

from agents import Agent, function_tool
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from timestep.run_state.from_envelope import from_envelope
from timestep.run_state.native import SCHEMA_VERSION, SDK_VERSION
from timestep.run_state.record import decode, encode
from timestep.run_state.text import LARGEST_NUMBER, portable, utf16_order
from timestep.run_state.text import encode as encode_value
from timestep.run_state.to_envelope import to_envelope

SPEC = Path(__file__).parents[3] / "spec"
SCHEMA = Draft202012Validator(json.loads((SPEC / "run-state.schema.json").read_text()))
LINES = ["amount: number", "order: string"]

texts = st.text(st.characters(exclude_categories=()), max_size=20)
# The SDK hashes the arguments of calls as UTF-8, which has no lone surrogates.
unicode_texts = st.text(max_size=20)
values: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-LARGEST_NUMBER, LARGEST_NUMBER)
    | st.floats(-1e15, 1e15)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
).map(portable)
counts = st.integers(0, 10**6)


@function_tool(needs_approval=True)
def refund(order: str, amount: int) -> str:
    return f"{order} {amount}"


@function_tool
def look_up(order: str, amount: int) -> str:
    return f"{order} {amount}"


def agents() -> Agent[Any]:
    specialist = Agent(name="größer", tools=[refund, look_up])
    return Agent(name="clerk", tools=[refund, look_up], handoffs=[specialist])


@st.composite
def usages(draw: st.DrawFn) -> dict[str, Any]:
    usage = {name: draw(counts) for name in ("input_tokens", "output_tokens", "total_tokens")}
    cached, reasoned = draw(counts), draw(counts)
    usage |= {"input_tokens_details": {"cached_tokens": cached}} if cached else {}
    usage |= {"output_tokens_details": {"reasoning_tokens": reasoned}} if reasoned else {}
    return usage


class Run:
    """A run that is drawn turn by turn."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.agent = "clerk"
        self.calls = 0
        self.items: list[Any] = []
        self.responses: list[Any] = []
        self.owners: dict[str, str] = {}

    def turn(self) -> list[int]:
        """Draw a response; return the places of its calls."""
        start = len(self.items)
        if self.draw(st.booleans()):
            self.item("reasoning_item", self.reasoning())
        if self.draw(st.booleans()):
            self.item("message_output_item", self.message())
        calls = [
            self.item("tool_call_item", self.call()) for _ in range(self.draw(st.integers(1, 3)))
        ]
        self.respond(start)
        return calls

    def respond(self, start: int) -> None:
        ids = {name: self.draw(unicode_texts) for name in ("response_id", "request_id")}
        named = {name: value for name, value in ids.items() if value and self.draw(st.booleans())}
        usage = {**self.draw(usages()), "requests": 1}
        output = list(range(start, len(self.items)))
        self.responses.append({"output": output, "usage": usage, **named})

    def item(self, kind: str, raw: Any, **more: Any) -> int:
        self.items.append({"type": kind, "raw": raw, "agent": self.agent, **more})
        return len(self.items) - 1

    def call(self) -> dict[str, Any]:
        self.calls += 1
        call_id = f"call_{self.calls}"
        self.owners[call_id] = self.agent
        arguments = {"order": self.draw(unicode_texts), "amount": self.draw(st.integers())}
        return {
            "type": "function_call",
            "call_id": call_id,
            "name": self.draw(st.sampled_from(["refund", "look_up"])),
            "arguments": json.dumps(arguments, ensure_ascii=self.draw(st.booleans())),
        }

    def message(self) -> dict[str, Any]:
        part = {"type": "output_text", "text": self.draw(texts), "annotations": []}
        base = {"type": "message", "role": "assistant", "status": "completed", "content": [part]}
        return {**base, "id": f"msg_{len(self.items)}"}

    def reasoning(self) -> dict[str, Any]:
        summary = [{"type": "summary_text", "text": self.draw(unicode_texts)}]
        return {"type": "reasoning", "id": f"rs_{len(self.items)}", "summary": summary}

    def finish(self, place: int) -> None:
        """Draw the output of a call."""
        output = self.draw(texts)
        raw = {
            "type": "function_call_output",
            "call_id": self.items[place]["raw"]["call_id"],
            "output": output,
        }
        value = self.draw(values)
        own = {"output": value} if value is not None and value != output else {}
        custom = self.draw(st.dictionaries(unicode_texts, values, max_size=2))
        self.item(
            "tool_call_output_item", raw, **own, **({"custom_data": custom} if custom else {})
        )

    def hand_off(self) -> None:
        self.calls += 1
        raw = {
            "type": "function_call",
            "call_id": f"call_{self.calls}",
            "name": "transfer_to_gr__er",
            "arguments": "{}",
        }
        place = self.item("handoff_call_item", raw)
        self.respond(place)
        output = {
            "type": "function_call_output",
            "call_id": raw["call_id"],
            "output": encode_value({"assistant": "größer"}),
        }
        owners = {"source_agent": self.agent, "target_agent": "größer"}
        self.items.append({"type": "handoff_output_item", "raw": output, **owners})
        self.agent = "größer"


def decisions(draw: st.DrawFn, run: Run) -> list[Any]:
    """Draw decisions on the run's calls, in the one form that they are stored in."""
    entries: list[Any] = []
    for agent in ("clerk", "größer"):
        base = {"kind": "function", "agent": agent, "tool_key": ["bare", "refund"]}
        calls = [
            i["raw"]["call_id"]
            for i in run.items
            if i["type"] == "tool_call_item"
            and i["raw"]["name"] == "refund"
            and i["agent"] == agent
        ]
        always = draw(st.sampled_from([None, "approved", "rejected"])) if calls else None
        if always:
            message = (
                {"message": draw(texts)} if always == "rejected" and draw(st.booleans()) else {}
            )
            entries.append({**base, "scope": "always", "decision": always, **message})
        for call_id in calls:
            decision = draw(st.sampled_from([None, "approved", "rejected"]))
            if decision and decision != always:
                message = (
                    {"message": draw(texts)}
                    if decision == "rejected" and draw(st.booleans())
                    else {}
                )
                entry = {"scope": "call", "call_id": call_id, "decision": decision, **message}
                entries.append({**base, **entry})
    return sorted(entries, key=lambda entry: utf16_order(encode_value(entry)))


@st.composite
def documents(draw: st.DrawFn) -> Any:
    run = Run(draw)
    for _ in range(draw(st.integers(0, 3))):
        for place in draw(st.permutations(run.turn())):
            run.finish(place)
        if run.agent == "clerk" and draw(st.booleans()):
            run.hand_off()
    status = draw(st.sampled_from(["interrupted", "run_again", "terminal"]))
    more: dict[str, Any] = {}
    start = len(run.items)
    calls = run.turn() if status == "interrupted" or not run.responses else []
    if status == "interrupted":
        new = list(range(start, len(run.items)))
        waiting = [p for p in calls if run.items[p]["raw"]["name"] == "refund"]
        for place in calls:
            if place not in waiting:
                run.finish(place)
        more["interruptions"] = [run.item("tool_approval_item", place) for place in waiting]
        functions = [{"call": place, "schema": LINES} for place in calls]
        more["pending"] = {"new_items": new, "functions": functions}
        more = {name: value for name, value in more.items() if value}
    else:
        for place in calls:
            run.finish(place)
    given_up = draw(decisions_of(run))
    entries = draw(st.lists(usages(), max_size=2))
    optional = {
        "approvals": given_up,
        "pending_input": draw(
            st.lists(texts.map(lambda t: {"role": "user", "content": t}), max_size=2)
        ),
        "context": draw(st.none() | st.dictionaries(texts, values, max_size=3)),
        "conversation_id": draw(unicode_texts),
        "previous_response_id": draw(unicode_texts),
        "reasoning_item_id_policy": draw(st.sampled_from([None, "preserve", "omit"])),
        "session_persisted": status == "run_again" and bool(run.items),
    }
    named = {n: v for n, v in optional.items() if v or (n == "context" and v is not None)}
    return {
        "format": "timestep.run_state/1",
        "writer": {
            "language": "python",
            "sdk_version": SDK_VERSION,
            "schema_version": SCHEMA_VERSION,
            "timestep_version": "0.1.0",
        },
        "status": status,
        "agent": run.agent,
        "turn": draw(counts),
        "max_turns": draw(st.none() | counts),
        "original_input": draw(texts | st.just([{"role": "user", "content": "hi"}])),
        "items": run.items,
        "responses": run.responses,
        "usage": {
            **draw(usages()),
            "requests": draw(counts),
            **({"entries": entries} if entries else {}),
        },
        **more,
        **named,
    }


def decisions_of(run: Run) -> Any:
    return st.composite(lambda draw: decisions(draw, run))()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=documents())
def test_a_document_survives_the_sdk_byte_for_byte(document: Any):
    SCHEMA.validate(document)
    text = encode(document)

    async def there_and_back() -> Any:
        state = await from_envelope(decode(text), agents())
        return to_envelope(state, json.loads(json.dumps(state.to_json())))

    again = asyncio.run(there_and_back())
    again["writer"]["timestep_version"] = "0.1.0"
    assert encode(again) == text
