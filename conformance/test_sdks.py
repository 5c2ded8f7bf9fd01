"""Both languages alone do the same, but for what their SDKs do differently, said exactly."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from . import sdks
from .compare import same, shown, text_of
from .conftest import Alone
from .play import SCENARIOS, Json, Play, comparable

PAGE = Path(__file__).parents[1] / "docs/crossing-languages.md"
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
CHANGES = [*sdks.REQUESTS, *sdks.ITEMS, *sdks.DOCUMENTS]


@STREAMED
@pytest.mark.parametrize("name", SCENARIOS)
def test_both_languages_alone_send_the_same(alone: Alone, name: str, stream: bool) -> None:
    python, typescript = in_both(alone, name, stream=stream)
    assert len(python.requests) == len(SCENARIOS[name]["model"])
    assert python.asked_in == typescript.asked_in
    for number, pair in enumerate(zip(python.requests, typescript.requests, strict=True)):
        expected = sdks.request_of_typescript(pair[0], sdks.Place(python, number))
        same(f"request {number}", pair[1], expected)


@STREAMED
@pytest.mark.parametrize("name", SCENARIOS)
def test_both_languages_alone_come_to_the_same(alone: Alone, name: str, stream: bool) -> None:
    python, typescript = in_both(alone, name, stream=stream)
    same("tools that ran", typescript.executions, python.executions)
    same("reports", typescript.reports, python.reports)
    expected = sdks.history_of_typescript(python.history, SCENARIOS[name])
    same("history", typescript.history, expected)


@STREAMED
@pytest.mark.parametrize("name", SCENARIOS)
def test_both_languages_alone_save_the_same(alone: Alone, name: str, stream: bool) -> None:
    python, typescript = in_both(alone, name, stream=stream)
    same("approvals", typescript.approvals, python.approvals)
    for number, pair in enumerate(zip(python.states, typescript.states, strict=True)):
        saved, other = (text_of(state["envelope"], name) for state in pair)
        document = json.loads(other)
        expected = sdks.document_of_python(document, python, number)
        if expected == document:
            same(f"document {number}", saved, other)
        same(f"document {number}", json.loads(saved), expected)
        columns = [shown(state) | {"writer_language": "either"} for state in pair]
        same(f"version {number}", columns[0], columns[1] | {"turn": expected["turn"]})


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_every_difference_is_seen_in_a_scenario(alone: Alone, change: Callable[..., Any]) -> None:
    assert any(
        seen(change, *in_both(alone, name, stream=stream))
        for name in SCENARIOS
        for stream in (False, True)
    )


def seen(change: Callable[..., Any], python: Play, typescript: Play) -> bool:
    if change in sdks.REQUESTS:
        bodies = enumerate(python.requests)
        return any(change(body, sdks.Place(python, number)) != body for number, body in bodies)
    if change in sdks.ITEMS:
        handoffs = sdks.handoffs_in(python.history, SCENARIOS[python.name])
        return any(change(item, handoffs) != item for item in python.history)
    return any(change(document, python, n) != document for n, document in saved_by(typescript))


def saved_by(played: Play) -> list[tuple[int, Json]]:
    return [(number, json.loads(comparable(text))) for number, text in enumerate(played.envelopes)]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_every_difference_is_told_to_users(change: Callable[..., Any]) -> None:
    assert sdks.sentence(change) in " ".join(PAGE.read_text().split())


def in_both(alone: Alone, name: str, *, stream: bool) -> tuple[Play, Play]:
    return alone(name, "P", stream=stream), alone(name, "J", stream=stream)
