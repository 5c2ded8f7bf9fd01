"""Plays a scenario: one language starts the run, and at each pause the next one takes it up."""

import itertools
import json
import re
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from timestep.testing import ModelServer

from .processes import Answer, Driver

Json = dict[str, Any]
LANGUAGES = {"P": "python", "J": "typescript"}
SCENARIOS: dict[str, Json] = {
    path.stem: json.loads(path.read_text())
    for path in sorted((Path(__file__).parent / "scenarios").glob("*.json"))
}


@dataclass
class World:
    """What all plays share: a driver of each language, a model server, a database."""

    drivers: dict[str, Driver]
    server: ModelServer
    database: str
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def rows(self, query: str, *arguments: object) -> list[Json]:
        with psycopg.connect(self.database) as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return cursor.execute(query.encode(), arguments).fetchall()


@dataclass
class Play:
    """What was seen of one play."""

    name: str
    """The scenario."""
    session_id: str
    stream: bool
    """Whether the model's answers were streamed."""
    players: list[str]
    """Who ran each part."""
    requests: list[Json]
    """The body of each request."""
    asked_in: list[int]
    """The part that each request was made in."""
    reports: list[Json]
    """What each part of the run came to: output, agent, interruptions, usage; or its error."""
    executions: list[list[tuple[str, str, str]]]
    """The tools that ran in each part."""
    states: list[Json]
    """The saved versions, as SQL shows them."""
    approvals: list[Json]
    """The approvals that they wait for, as SQL shows them."""
    history: list[Json]
    """The items of the session."""
    authors: list[str]
    """Who appended each of them."""

    @property
    def languages(self) -> list[str]:
        """Who asked the model, for each request."""
        return [self.players[part] for part in self.asked_in]

    @property
    def envelopes(self) -> list[str]:
        """The documents of the saved versions."""
        return [state["envelope"] for state in self.states]

    @property
    def writers(self) -> list[str]:
        """Who saved them."""
        return [state["writer_language"] for state in self.states]


def play(world: World, name: str, order: str, *, stream: bool, decided_by: str = "reader") -> Play:
    """Play a scenario.

    Args:
        world: Where.
        name: The scenario.
        order: Who runs each part, "P" or "J" for each, from the start again when it is over.
        stream: Whether the model's answers are streamed.
        decided_by: Who decides at a pause: the "reader", who then runs on, or the "writer", who
            saves its decision for the reader to run on with.
    """
    scenario = SCENARIOS[name]
    script = f"{name}-{next(world.numbers)}"
    steps = [*scenario.get("before", []), *scenario["model"]]
    world.server.script(
        script,
        steps,
        seed=name,
        conversations=_conversations(scenario),
        loose=scenario.get("loose", False),
    )
    command = {
        "scenario": _continued(world, script, scenario),
        "session_id": script,
        "script": script,
        "base_url": world.server.url,
        "database": world.database,
        "stream": stream,
    }
    answers: list[Answer] = []
    players: list[str] = []
    asked_in: list[int] = []
    authors: list[str] = []
    for letter, (do, decisions) in zip(itertools.cycle(order), _parts(scenario), strict=False):
        language = LANGUAGES[letter]
        if do == "resume" and decided_by == "writer":
            writer = world.drivers[LANGUAGES[_before(order, len(answers))]]
            _succeeded(writer.ask("decide", **command, **decisions))
            decisions = {}
        answers.append(world.drivers[language].ask(do, **command, **decisions))
        _as_described(answers[-1], scenario, language)
        asked = len(_model_requests(world, script, scenario)) - len(asked_in)
        asked_in += [len(players)] * asked
        players.append(language)
        authors += [language] * (len(history_of(world, script)) - len(authors))
    return Play(
        name=name,
        session_id=script,
        stream=stream,
        players=players,
        requests=[json.loads(entry["body"]) for entry in _model_requests(world, script, scenario)],
        asked_in=asked_in,
        reports=[_report(answer, scenario) for answer in answers],
        executions=[answer.executions for answer in answers],
        states=rows_of(world, script),
        approvals=world.rows(
            "select version, position, kind, agent, tool, call_id, arguments, status, message"
            " from timestep.approvals where session_id = %s order by version, position",
            script,
        ),
        history=history_of(world, script),
        authors=authors,
    )


def rows_of(world: World, session_id: str) -> list[Json]:
    """Return the saved versions of a session."""
    return world.rows(
        "select version, status, run_status, agent, turn, requests, input_tokens,"
        " output_tokens, total_tokens, writer_language, envelope, not_portable_reason, native"
        " from timestep.run_states where session_id = %s order by version",
        session_id,
    )


def history_of(world: World, session_id: str) -> list[Json]:
    """Return the items of a session, oldest first."""
    rows = world.rows(
        "select document from timestep.session_items where session_id = %s order by item_id",
        session_id,
    )
    return [json.loads(row["document"]) for row in rows]


def comparable(envelope: str) -> str:
    """Return the text without the writer, with which it ends, and the random ids of input."""
    text, replaced = re.subn(r'"writer":\{[^{}]*\}(?=\}$)', '"writer":{}', envelope)
    assert replaced == 1, f"the document does not end with its writer: {envelope[-300:]}"
    return re.sub(r'"input_id":"[0-9a-f-]{32,36}"', '"input_id":"…"', text)


def _parts(scenario: Json) -> list[tuple[str, Json]]:
    pauses = range(len(scenario["decisions"]))
    return [("start", {}), *(("resume", _pause(scenario, number)) for number in pauses)]


def _pause(scenario: Json, number: int) -> Json:
    added = scenario.get("add_input", [])
    return {
        "decisions": scenario["decisions"][number],
        "add_input": added[number] if number < len(added) else None,
    }


def _before(order: str, part: int) -> str:
    return order[(part - 1) % len(order)]


def _succeeded(answer: Answer) -> Any:
    assert answer.error is None, f"{answer.error['name']}: {answer.error['message']}"
    return answer.result


def _as_described(answer: Answer, scenario: Json, language: str) -> None:
    """Check that the part of the run went well, or failed as the scenario says."""
    expected = scenario.get("fails", {}).get(language)
    if answer.error is None or answer.error["name"] != expected:
        _succeeded(answer)


def _report(answer: Answer, scenario: Json) -> Json:
    return dict(answer.result) if answer.error is None else {"fails": scenario["fails"]}


def _conversations(scenario: Json) -> list[str]:
    conversation = scenario.get("options", {}).get("conversation_id")
    return [conversation] if conversation else []


def _continued(world: World, script: str, scenario: Json) -> Json:
    """Return the scenario with the id of the response that it continues, if it does."""
    if "before" not in scenario:
        return scenario
    request = urllib.request.Request(
        f"{world.server.url}/responses",
        json.dumps({"model": "gpt-5", "input": "Hello."}).encode(),
        {"Authorization": f"Bearer {world.server.api_key(script)}"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        options = {**scenario["options"], "previous_response_id": json.load(response)["id"]}
    return {**scenario, "options": options}


def _model_requests(world: World, script: str, scenario: Json) -> list[Any]:
    """Return the requests of the run, in the order of the steps that answered them.

    Nested agents that run side by side may ask in any order; their steps say who is who.
    """
    entries = world.server.requests(script)[len(scenario.get("before", [])) :]
    return sorted(entries, key=lambda entry: -1 if entry["step"] is None else entry["step"])
