"""Items lose what only a chat-completions model leaves on them, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
from timestep.run_state.items import (
    native_handoff_output,
    native_wire_item,
    portable_item,
    stored_handoff_output,
    wire_item,
)


def test_chat_leftovers_go():
    item = {"type": "message", "id": "__fake_id__", "provider_data": {"model": "m"}, "x": None}

    assert portable_item(item) == {"type": "message", "x": None}
    assert portable_item({"id": "FAKE_ID"}) == portable_item({"id": "chatcmpl-1"}) == {}


def test_other_items_stay_as_they_are():
    item = {"type": "message", "id": "msg_1", "content": [{"provider_data": 1}]}

    assert portable_item(item) is item


def test_only_a_completed_output_loses_its_status():
    assert wire_item({"type": "function_call_output", "status": "completed"}) == {
        "type": "function_call_output"
    }
    for item in (
        {"type": "function_call_output", "status": "incomplete"},
        {"type": "function_call", "status": "completed"},
    ):
        assert wire_item(item) == item


def test_a_handoff_output_has_one_stored_form_and_goes_back_to_the_sdks():
    native = {"output": '{"assistant": "gr\\u00f6\\u00dfer"}'}
    from_typescript = {"output": '{"assistant":"größer"}'}

    assert stored_handoff_output(native) == stored_handoff_output(from_typescript)
    assert native_handoff_output(stored_handoff_output(native)) == native


def test_any_other_handoff_output_stays():
    for output in ('{"assistant": 1}', '{"to": "b"}', "{", "gone", ["x"]):
        assert stored_handoff_output({"output": output}) == {"output": output}


def test_a_message_without_id_gets_the_sdks_placeholder():
    assert native_wire_item({"type": "message"}) == {"type": "message", "id": "__fake_id__"}
    assert native_wire_item({"type": "function_call"}) == {"type": "function_call"}


VECTORS = Path(__file__).parents[3] / "spec" / "vectors" / "items"
ROWS = [row for path in VECTORS.glob("*.json") for row in json.loads(path.read_text())["rows"]]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["description"])
def test_recorded_items_have_the_recorded_portable_form(row: Any):
    assert portable_item(row["wire"]) == row.get("portable", row["wire"])
