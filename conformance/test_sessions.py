"""A conversation goes on in either language, whoever wrote it: the model sees what was stored."""

import json
from collections.abc import Callable

import pytest

from .compare import same
from .play import LANGUAGES, SCENARIOS, Json, Play, World, history_of, play
from .sdks import statuses_of_outputs

# Python's HTTP client cannot send the lone surrogate that this one ends with.
UNSENDABLE = {"nul_in_output"}
CONVERSATIONS = [
    name
    for name, scenario in SCENARIOS.items()
    if scenario.get("session") and not {"fails", "api"} & scenario.keys() and name not in UNSENDABLE
]
QUESTION = {"role": "user", "content": "And now?"}


@pytest.mark.parametrize("order", ["P", "J", "PJ", "JP"])
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_conversation_goes_on_in_each_language(world: World, name: str, order: str) -> None:
    played = play(world, name, order, stream=False)
    for language in LANGUAGES.values():
        stored = history_of(world, played.session_id)
        sent = ask(world, played, language)
        same(f"what {language} sends", sent["input"], READ[language]([*stored, QUESTION]))
        assert history_of(world, played.session_id)[: len(stored)] == stored


def ask(world: World, played: Play, language: str) -> Json:
    """Start a run in the session of another one, and return the request that it makes."""
    script = f"{played.session_id}-{language}"
    world.server.script(script, [{"output": [{"type": "message", "text": "Bye."}]}], seed=script)
    scenario = SCENARIOS[played.name]
    answer = world.drivers[language].ask(
        "start",
        scenario={**scenario, "input": QUESTION["content"]},
        session_id=played.session_id,
        script=script,
        base_url=world.server.url,
        database=world.database,
    )
    assert answer.error is None
    assert answer.result["final_output"] == "Bye."
    (request,) = world.server.requests(script)
    return json.loads(request["body"])


def as_they_are(items: list[Json]) -> list[Json]:
    return items


def with_statuses(items: list[Json]) -> list[Json]:
    return statuses_of_outputs({"input": items})["input"]


READ: dict[str, Callable[[list[Json]], list[Json]]] = {
    "python": as_they_are,
    "typescript": with_statuses,
}
