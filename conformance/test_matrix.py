"""Every scenario, written by one language and read by the other, is the run of one language alone.

What must be equal, letter by letter: each request that reaches the model, compared with the request
that the same language sends there when it runs the scenario alone; the tools that ran; what came
out; the saved versions; the approvals; the history of the session.

The two languages alone must do the same too, but for what their SDKs are known to do
differently: known_differences.txt names it all.
"""

import functools
import json
from collections.abc import Callable
from typing import Any

import pytest
from timestep.run_state.record import decode, encode

from .differences import KNOWN, SAVED_DIFFERENTLY, Difference, set_aside
from .play import SCENARIOS, Play, World, comparable, play

CHAINS = [name for name, scenario in SCENARIOS.items() if scenario.get("chain")]
ORDERS = ["PJPJPJPJ", "JPJPJPJP", "PPJJPPJJ", "JJPPJJPP"]
# Differences that show themselves in some runs only.
BY_CHANCE = {"document_parallel_usage"}
STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


Alone = Callable[..., Play]


@pytest.fixture(scope="session")
def alone(world: World) -> Alone:
    """Plays a scenario in one language; each only once."""
    return functools.cache(functools.partial(play, world))


@STREAMED
@pytest.mark.parametrize("name", SCENARIOS)
def test_both_languages_alone_do_the_same(alone: Alone, name: str, stream: bool) -> None:
    python, typescript = (alone(name, letter, stream=stream) for letter in "PJ")
    assert len(python.requests) == len(SCENARIOS[name]["model"]) == len(typescript.requests)
    for number, pair in enumerate(zip(python.requests, typescript.requests, strict=True)):
        python_body, typescript_body = (set_aside("request", name, body) for body in pair)
        same(f"request {number}", typescript_body, python_body)
    same_outcome(typescript, python, name)


@STREAMED
@pytest.mark.parametrize("order", ["PJ", "JP"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_run_that_changes_language_is_the_run_that_does_not(
    world: World, alone: Alone, name: str, order: str, stream: bool
) -> None:
    played = play(world, name, order, stream=stream)
    same_requests(played, alone, name, stream=stream)
    same_outcome(played, alone(name, order[0], stream=stream), name)


@pytest.mark.parametrize("order", ["PJ", "JP"])
@pytest.mark.parametrize("name", [name for name in SCENARIOS if "fails" not in SCENARIOS[name]])
def test_a_decision_that_was_saved_holds_in_the_other_language(
    world: World, alone: Alone, name: str, order: str
) -> None:
    played = play(world, name, order, stream=False, decided_by="writer")
    same_requests(played, alone, name, stream=False)
    same_outcome(played, alone(name, order[0], stream=False, decided_by="writer"), name)


@STREAMED
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", CHAINS)
def test_a_run_that_changes_language_at_each_pause_is_the_run_that_does_not(
    world: World, alone: Alone, name: str, order: str, stream: bool
) -> None:
    played = play(world, name, order, stream=stream)
    same_requests(played, alone, name, stream=stream)
    same_outcome(played, alone(name, order[0], stream=stream), name)


@pytest.mark.parametrize("name", SAVED_DIFFERENTLY)
def test_no_scenario_is_known_to_be_saved_differently_without_need(alone: Alone, name: str) -> None:
    python, typescript = (alone(name, letter, stream=False) for letter in "PJ")
    with pytest.raises(pytest.fail.Exception):
        same_saved(typescript, python, name)


@pytest.mark.parametrize("known", KNOWN, ids=[known.name for known in KNOWN])
def test_no_known_difference_is_out_of_date(alone: Alone, known: Difference) -> None:
    kind = next(
        kind for kind in ("request", "history", "report", "document") if known.concerns(kind)
    )
    for name in SCENARIOS:
        python, typescript = (concerned(kind, alone(name, letter, stream=False)) for letter in "PJ")
        for pair in zip(python, typescript, strict=True):
            left = [set_aside(kind, name, each, but=known) for each in pair]
            by_chance = known.name in BY_CHANCE and known.remove(name, pair[0]) != pair[0]
            if by_chance or left[0] != left[1]:
                return
    pytest.fail(f"the SDKs agree by now: {known.name}")


def concerned(kind: str, played: Play) -> list[dict[str, Any]]:
    if kind == "document":
        return [json.loads(text) for text in played.envelopes]
    return {"request": played.requests, "history": played.history, "report": played.reports}[kind]


def same_requests(played: Play, alone: Alone, name: str, *, stream: bool) -> None:
    solo = {letter: alone(name, letter, stream=stream) for letter in "PJ"}
    own = {"python": solo["P"].requests, "typescript": solo["J"].requests}
    assert len(played.requests) == len(own["python"])
    for number, (language, body) in enumerate(zip(played.languages, played.requests, strict=True)):
        pair = (set_aside("resumed", name, each) for each in (body, own[language][number]))
        same(f"request {number}, from {language}", *pair)


def same_outcome(played: Play, expected: Play, name: str) -> None:
    same("tools that ran", played.executions, expected.executions)
    same("history", history(played, name), history(expected, name))
    same("reports", reports(played, name), reports(expected, name))
    if name not in SAVED_DIFFERENTLY or played.writers == expected.writers:
        same_saved(played, expected, name)


def same_saved(played: Play, expected: Play, name: str) -> None:
    same("approvals", played.approvals, expected.approvals)
    same("saved versions", shown(played), shown(expected))
    for number, texts in enumerate(zip(played.envelopes, expected.envelopes, strict=True)):
        for text in texts:
            same(f"text of document {number + 1}", text, encode(decode(text)))
        documents = [set_aside("document", name, json.loads(comparable(text))) for text in texts]
        same(f"document {number + 1}", *map(json.dumps, documents))


def reports(played: Play, name: str) -> list[dict[str, Any]]:
    return [set_aside("report", name, report) for report in played.reports]


def history(played: Play, name: str) -> list[dict[str, Any]]:
    return [set_aside("history", name, item) for item in played.history]


def shown(played: Play) -> list[dict[str, Any]]:
    """Return the saved versions as both languages show them in SQL."""
    return [
        {name: value for name, value in state.items() if name not in hidden(state)}
        for state in played.states
    ]


def hidden(state: dict[str, Any]) -> set[str]:
    """Return the columns that may differ; document_after_failure says why one does."""
    always = {"envelope", "native", "writer_language"}
    return always | {"turn"} if state["run_status"] == "run_again" else always


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
