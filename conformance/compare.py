"""Compares runs letter by letter, and shows where two part."""

import json

import pytest
from timestep.run_state.record import decode, encode

from .play import SCENARIOS, Json, Play, comparable

# What SQL shows of a saved version, but for the documents.
COLUMNS = (
    "version",
    "status",
    "run_status",
    "agent",
    "turn",
    "requests",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "writer_language",
    "not_portable_reason",
)


def same_run(played: Play, alone: dict[str, Play]) -> None:
    """Compare a run with those of one language alone: each thing with that of who did it."""
    for number, (language, body) in enumerate(zip(played.languages, played.requests, strict=True)):
        same(f"request {number}, {language}", body, alone[language].requests[number])
    for number, language in enumerate(played.players):
        own = alone[language]
        same(f"tools in part {number}", played.executions[number], own.executions[number])
        same(f"report of part {number}", played.reports[number], own.reports[number])
    for number, language in enumerate(played.authors):
        same(f"item {number}, {language}", played.history[number], alone[language].history[number])
    for number, language in enumerate(played.writers):
        same_version(number, played.states[number], alone[language].states[number], played.name)
    for number, approval in enumerate(played.approvals):
        own = alone[played.writers[approval["version"] - 1]]
        same(f"approval {number}", approval, own.approvals[number])
    for own in alone.values():
        assert counts(played) == counts(own)


def same_version(number: int, found: Json, expected: Json, scenario: str) -> None:
    """Compare what SQL shows of two saved versions, and their documents."""
    same(f"version {number}", shown(found), shown(expected))
    texts = [text_of(state["envelope"], scenario) for state in (found, expected)]
    same(f"document of version {number}", *texts)


def text_of(envelope: str, scenario: str) -> str:
    """Return the text of a document as it compares, having checked that it is in its one form."""
    same("the text of a document", envelope, encode(decode(envelope)))
    text = comparable(envelope)
    return with_entries_in_order(text) if SCENARIOS[scenario].get("side_by_side") else text


def with_entries_in_order(text: str) -> str:
    """Return the document with its usage entries sorted: agents side by side ask in any order."""
    document = json.loads(text)
    document["usage"]["entries"].sort(key=json.dumps)
    return json.dumps(document)


def shown(state: Json) -> Json:
    return {name: state[name] for name in COLUMNS}


def counts(played: Play) -> list[int]:
    """Return how many there are of all that is compared."""
    return [
        len(each)
        for each in (
            played.requests,
            played.players,
            played.history,
            played.states,
            played.approvals,
        )
    ]


def same(what: str, found: object, expected: object) -> None:
    """Compare two texts, or the JSON of two values, and show where they part."""
    texts = [
        value
        if isinstance(value, str)
        else json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True)
        for value in (found, expected)
    ]
    if texts[0] == texts[1]:
        return
    at = next(
        (n for n, (a, b) in enumerate(zip(*texts, strict=False)) if a != b),
        min(map(len, texts)),
    )
    around = slice(max(0, at - 300), at + 500)
    pytest.fail(
        f"{what}: not the same from character {at}\n--- found\n{texts[0][around]}\n"
        f"--- expected\n{texts[1][around]}",
        pytrace=False,
    )
