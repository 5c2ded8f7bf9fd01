"""Both languages have the same names, settings and errors, and refuse the same."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from .play import LANGUAGES, World, rows_of

ROOT = Path(__file__).parents[1]
REFUSALS: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("refusals.json").read_text()
)
OTHER = {"python": "typescript", "typescript": "python"}


def names(world: World, language: str) -> dict[str, list[str]]:
    return world.drivers[language].ask("names").result


def camel(name: str) -> str:
    """Return a Python name as TypeScript writes it: `run_agent` as `runAgent`."""
    first, *rest = name.split("_")
    return first + "".join("DBOS" if word == "dbos" else word.capitalize() for word in rest)


def test_both_packages_export_the_same_names(world: World) -> None:
    python = {camel(name) for name in names(world, "python")["exports"]}
    typescript = set(names(world, "typescript")["exports"])
    # a class in Python may be no more than a type in TypeScript, which no program can list
    index = (ROOT / "typescript/src/index.ts").read_text()
    types = set(re.findall(r"\btype (\w+)", index))
    assert python - types == typescript - types


def test_both_packages_have_the_errors_of_the_specification(world: World) -> None:
    specified = {error["name"] for error in json.loads((ROOT / "spec/errors.json").read_text())}
    for language in LANGUAGES.values():
        assert set(names(world, language)["errors"]) == specified, language


def test_both_languages_read_the_variables_of_the_specification() -> None:
    described = json.loads((ROOT / "spec/environment.json").read_text())
    read_by_us = {
        each["name"] for each in described if "read by the OpenAI client" not in each["meaning"]
    } - {"PGPASSWORD"}  # the drivers read it by themselves
    python = variables("python/src/timestep", "*.py", read_by_us)
    typescript = variables("typescript/src", "*.ts", read_by_us)
    assert python == typescript == read_by_us


def variables(folder: str, files: str, known: set[str]) -> set[str]:
    """Return which of the known variables the sources name."""
    texts = [path.read_text() for path in sorted((ROOT / folder).rglob(files))]
    return {name for text in texts for name in re.findall(r"""["'](\w+)["']""", text)} & known


@pytest.mark.parametrize(
    ("folder", "files", "reading", "settings"),
    [
        ("python/src/timestep", "*.py", r"os\.environ|getenv", "settings.py"),
        ("typescript/src", "*.ts", r"process\.env\b", "settings.ts"),
    ],
    ids=["python", "typescript"],
)
def test_settings_alone_reads_the_environment(
    folder: str, files: str, reading: str, settings: str
) -> None:
    readers = [
        path.name
        for path in sorted((ROOT / folder).rglob(files))
        if re.search(reading, path.read_text())
    ]
    assert set(readers) == {settings}


@pytest.mark.parametrize(
    ("name", "language"),
    [
        (name, language)
        for name, refusal in REFUSALS.items()
        for language in LANGUAGES.values()
        if refusal.get("only", language) == language
    ],
)
def test_what_cannot_cross_is_refused_in_words_and_stays_in_its_language(
    world: World, name: str, language: str
) -> None:
    refusal = REFUSALS[name]
    script = f"refused-{name}-{language}"
    steps = refusal["model"]
    world.server.script(script, steps, seed=name, loose=refusal.get("loose", False))
    command = {
        "scenario": refusal,
        "session_id": script,
        "script": script,
        "base_url": world.server.url,
        "database": world.database,
    }

    started = world.drivers[language].ask("start", **command)
    assert started.error is None
    assert len(started.result["interruptions"]) == 1
    (saved,) = rows_of(world, script)
    assert saved["envelope"] is None
    assert refusal["words"] in saved["not_portable_reason"]

    elsewhere = world.drivers[OTHER[language]].ask("resume", **crossing(command))
    assert elsewhere.error is not None
    assert elsewhere.error["name"] == "NotPortableError"
    assert saved["not_portable_reason"] in elsewhere.error["message"]

    finished = world.drivers[language].ask("resume", **command, decisions=refusal["decisions"][0])
    assert finished.error is None
    assert finished.result["final_output"] == "Done."
    assert [row["status"] for row in rows_of(world, script)] == ["done"]


def test_a_run_does_not_cross_only_where_it_is_refused_by_name() -> None:
    text = Path(__file__).with_name("known_differences.txt").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines == [f"{name}: {refusal['description']}" for name, refusal in REFUSALS.items()]


def crossing(command: dict[str, Any]) -> dict[str, Any]:
    """Return the command without the tools that one language alone has."""
    scenario = command["scenario"]
    agents = {
        key: {**spec, "tools": [tool for tool in spec.get("tools", []) if tool != "custom"]}
        for key, spec in scenario["agents"].items()
    }
    return {**command, "scenario": {**scenario, "agents": agents}}


def test_an_object_of_a_class_is_left_out_in_typescript_and_asked_for(world: World) -> None:
    command = alone(world, REFUSALS["class"])
    answer = world.drivers["typescript"].ask("start", **command)
    (saved,) = rows_of(world, command["session_id"])
    assert [event["event"] for event in answer.events] == ["saving", "saved"]
    assert saved["envelope"] is None
    assert "context is a Customer" in saved["not_portable_reason"]
    for language, error in (("typescript", "ConfigurationError"), ("python", "NotPortableError")):
        resumed = world.drivers[language].ask("resume", **command)
        assert resumed.error is not None
        assert resumed.error["name"] == error
        assert "context" in resumed.error["message"]


@pytest.mark.parametrize("language", LANGUAGES.values())
def test_a_number_that_is_none_is_never_saved(world: World, language: str) -> None:
    refusal = {**REFUSALS["large_number"], "context_kind": "not_a_number"}
    command = alone(world, refusal)
    answer = world.drivers[language].ask("start", **command)
    assert answer.error is not None
    assert "context.lines[0].number" in answer.error["message"]
    assert rows_of(world, command["session_id"]) == []


def alone(world: World, scenario: dict[str, Any]) -> dict[str, Any]:
    """Return the command that starts the scenario under a script and a session of its own."""
    script = f"alone-{next(world.numbers)}"
    world.server.script(script, scenario["model"], seed=script)
    return {
        "scenario": scenario,
        "session_id": script,
        "script": script,
        "base_url": world.server.url,
        "database": world.database,
    }
