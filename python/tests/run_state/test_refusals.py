"""What one language alone can continue is refused by name, and what differs is warned of."""

import logging
from typing import Any

import pytest
from agents import Agent, RunContextWrapper, RunState, function_tool, handoff
from timestep.errors import AgentMismatchError, NotPortableError
from timestep.run_state.from_envelope import from_envelope
from timestep.run_state.record import FORMAT, decode, encode
from timestep.run_state.to_envelope import to_envelope

pytestmark = pytest.mark.anyio


def state_of(agent: Agent[Any], context: Any = None) -> RunState[Any, Any]:
    return RunState(RunContextWrapper(context), "start", agent, 10)


CLERK = Agent(name="clerk")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pending_session_write": {}}, "session is not finished"),
        ({"sandbox": {}}, "sandbox"),
        ({"terminal_unrecoverable": True}, "beyond recovery"),
        (
            {
                "current_step": {
                    "type": "next_step_interruption",
                    "data": {"response_accepted": True},
                }
            },
            "accepted",
        ),
        (
            {
                "current_step": {
                    "type": "next_step_interruption",
                    "data": {"llm_end_hooks_started": False},
                }
            },
            "accepted",
        ),
        ({"nested_history_owned_session_item_refs": [{}]}, "nested handoff history"),
        ({"last_processed_response": {"shell_actions": [{}]}}, "shell action"),
        ({"last_processed_response": {"computer_actions": [{}]}}, "computer action"),
        ({"last_processed_response": {"apply_patch_actions": [{}]}}, "patch action"),
        ({"last_processed_response": {"custom_tool_actions": [{}]}}, "custom-tool action"),
        ({"$schemaVersion": "1.22"}, "1.22.*1.21"),
        ({"$schemaVersion": "2.0"}, "2.0"),
        (
            {
                "generated_items": [{"type": "odd_item", "raw_item": {}}],
                "generated_session_item_indexes": [0],
            },
            "odd_item",
        ),
    ],
    ids=str,
)
def test_a_run_that_only_python_continues_is_refused_with_the_reason(change, reason):
    state = state_of(CLERK)

    with pytest.raises(NotPortableError, match=reason):
        to_envelope(state, {**state.to_json(), **change})


def test_two_agents_of_one_name_are_refused():
    agent = Agent(name="a", handoffs=[Agent(name="b"), Agent(name="b", instructions="other")])

    with pytest.raises(NotPortableError, match="named b"):
        to_envelope(state_of(agent), state_of(agent).to_json())


class Till:
    """A context that is no mapping."""


@pytest.mark.filterwarnings("ignore")
def test_a_context_that_is_no_mapping_needs_a_serializer():
    state = state_of(CLERK, Till())

    with pytest.raises(NotPortableError, match=r"Till.*context_serializer"):
        to_envelope(state, state.to_json())
    envelope = to_envelope(state, state.to_json(), context_serializer=lambda till: {"left": 1})
    assert envelope.get("context") == {"left": 1}


@pytest.mark.parametrize(
    ("context", "path"),
    [
        ({"a": [float("nan")]}, r"context\.a\[0\]"),
        ({"n": 2**60}, r"context\.n"),
        ({1: 2}, "context"),
    ],
)
def test_a_context_that_javascript_cannot_hold_is_refused_by_path(context, path):
    state = state_of(CLERK, context)

    with pytest.raises(NotPortableError, match=path):
        to_envelope(state, state.to_json())


async def test_no_context_stays_none_and_an_empty_one_stays_empty():
    for context in (None, {}):
        state = state_of(CLERK, context)
        restored = await from_envelope(to_envelope(state, state.to_json()), CLERK)
        assert restored._context.context == context


def test_names_that_the_sdks_derive_differently_are_warned_of(caplog: pytest.LogCaptureFixture):
    helper, other = Agent(name="Night Helper"), Agent(name="Day Helper")
    agent = Agent(
        name="desk",
        tools=[helper.as_tool(None, "help")],
        handoffs=[other, handoff(Agent(name="Evening Helper"), tool_name_override="to_evening")],
    )
    with caplog.at_level(logging.WARNING, "timestep"):
        to_envelope(state_of(agent), state_of(agent).to_json())

    warned = [record.getMessage() for record in caplog.records if record.name == "timestep"]
    assert len(warned) == 2
    assert any("'Night Helper' is named 'night_helper'" in text for text in warned)
    assert any("'Day Helper' is named 'transfer_to_day_helper'" in text for text in warned)


async def test_a_missing_agent_is_named_with_those_that_are_there():
    state = state_of(Agent(name="old"))
    envelope = to_envelope(state, state.to_json())

    with pytest.raises(AgentMismatchError, match=r"'old'.*clerk"):
        await from_envelope(envelope, CLERK)


def with_tool(*tools: Any) -> Agent[Any]:
    return Agent(name="clerk", tools=[function_tool(tool, needs_approval=True) for tool in tools])


async def test_a_missing_or_changed_tool_is_refused_before_the_sdk_sees_the_run():
    def pay(amount: int) -> None: ...
    def other(amount: int) -> None: ...

    call = {"type": "function_call", "name": "pay", "arguments": "{}", "call_id": "c"}
    state = state_of(CLERK)
    envelope = to_envelope(state, state.to_json())
    envelope["status"] = "interrupted"
    envelope["items"] = [
        {"type": "tool_call_item", "agent": "clerk", "raw": call},
        {"type": "tool_approval_item", "agent": "clerk", "raw": 0},
    ]
    envelope["pending"] = {
        "new_items": [0],
        "functions": [{"call": 0, "schema": ["amount: number"]}],
    }
    envelope["interruptions"] = [1]

    restored = await from_envelope(envelope, with_tool(pay))
    assert [item.tool_name for item in restored.get_interruptions()] == ["pay"]

    with pytest.raises(AgentMismatchError, match=r"'pay'.*only: other"):
        await from_envelope(envelope, with_tool(other))

    def pay(amount: str, to: str) -> None: ...

    with pytest.raises(
        AgentMismatchError, match=r"amount: number\. Now: amount: string; to: string"
    ):
        await from_envelope(envelope, with_tool(pay))


def document() -> dict[str, Any]:
    state = state_of(CLERK)
    return dict(to_envelope(state, state.to_json()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "timestep.run_state/2"}, rf"timestep.run_state/2.*{FORMAT}"),
        ({"format": "other"}, "format is 'other'"),
        ({"writer": {}}, "writer.language is missing"),
        ({"status": "asleep"}, "status is 'asleep'"),
        ({"turn": -1}, "turn is -1"),
        ({"turn": True}, "turn is True"),
        ({"max_turns": "9"}, "max_turns is '9'"),
        ({"original_input": [1]}, r"original_input\[0\] is int"),
        ({"items": {}}, "items is dict"),
        ({"items": [{"type": "x"}]}, r"items\[0\]\.type is 'x'"),
        ({"items": [{"type": "reasoning_item", "raw": {}}]}, r"items\[0\]\.agent is missing"),
        (
            {"items": [{"type": "tool_approval_item", "agent": "a", "raw": 0}]},
            r"items\[0\]\.raw is 0",
        ),
        ({"responses": [{"output": [3], "usage": {}}]}, r"responses\[0\]\.output\[0\] is 3"),
        (
            {"responses": [{"output": [], "usage": {}}]},
            r"responses\[0\]\.usage\.requests is missing",
        ),
        (
            {"status": "interrupted", "pending": {"functions": [{}]}},
            r"functions\[0\]\.call is missing",
        ),
        (
            {"status": "interrupted", "pending": {"functions": [{"call": {}, "nested": {}}]}},
            r"nested\.status is missing",
        ),
        (
            {"status": "interrupted", "pending": {}, "interruptions": [7]},
            r"interruptions\[0\] is 7",
        ),
        ({"approvals": [{"kind": "odd"}]}, r"approvals\[0\]\.kind is 'odd'"),
        (
            {
                "approvals": [
                    {"kind": "other", "tool": "t", "scope": "call", "decision": "approved"}
                ]
            },
            r"call_id is missing",
        ),
        ({"usage": None}, "usage is null"),
        ({"context": []}, "context is list"),
        ({"trace": 1}, "trace is int"),
        ({"session_items": {"visible": 0, "order": [0]}}, r"session_items\.order\[0\]"),
    ],
    ids=str,
)
async def test_a_faulty_document_is_refused_by_the_path_of_its_fault(change, message):
    with pytest.raises(NotPortableError, match=message):
        decode(encode({**document(), **change}))
    with pytest.raises(NotPortableError, match=message):
        await from_envelope({**document(), **change}, CLERK)


@pytest.mark.parametrize("text", ["", "[]", "null", '{"format": "timestep.run_state/1"', "{}"])
def test_what_is_no_document_is_refused(text):
    with pytest.raises(NotPortableError):
        decode(text)


def test_unknown_fields_of_a_later_version_are_kept():
    state = state_of(CLERK)
    message = {
        "type": "message",
        "id": "m",
        "role": "assistant",
        "status": "completed",
        "content": [],
    }
    native = state.to_json()
    item = {"type": "message_output_item", "agent": {"name": "clerk"}, "raw_item": message}
    native |= {
        "generated_items": [item],
        "generated_session_item_indexes": [0],
        "session_items": [item],
    }
    previous = to_envelope(state, native)
    later: Any = decode(encode({**previous, "mood": {"b": 1}}))
    later["items"][0]["seen"] = True

    again: Any = to_envelope(state, native, previous=later)

    assert encode(again) == encode(later)
