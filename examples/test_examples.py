"""Every example runs, and prints the same in both languages."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from timestep.testing import ModelServer
from timestep.testing.node import node_command

HERE = Path(__file__).parent
LANGUAGES = ("python", "typescript")
COMMANDS = {
    "python": [sys.executable],
    "typescript": [node_command(), "--disable-warning=ExperimentalWarning"],
}
ENDINGS = {"python": "py", "typescript": "ts"}

REFUND = {"type": "function_call", "name": "send_refund"}
REFUND_4711 = {**REFUND, "arguments": {"order": "4711", "amount": 25}}

Run = Callable[..., str]
Start = Callable[..., subprocess.Popen[str]]
in_both = pytest.mark.parametrize("language", LANGUAGES)
from_one_to_the_other = [LANGUAGES, LANGUAGES[::-1]]


def say(text: str) -> dict[str, Any]:
    return {"output": [{"type": "message", "text": text}]}


def call(item: dict[str, Any]) -> dict[str, Any]:
    return {"output": [item]}


@pytest.fixture
def environment(model_server: ModelServer, database_url: str) -> dict[str, str]:
    """Return what leads an example to the database and the model of its test."""
    return {
        **{n: v for n, v in os.environ.items() if not n.startswith(("OPENAI_", "OLLAMA_"))},
        "PG_CONNECTION_URI": database_url,
        "OPENAI_BASE_URL": model_server.url,
        "OPENAI_API_KEY": model_server.api_key("example"),
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
        "OLLAMA_HOST": model_server.ollama_url,
        "FIRECRAWL_API_URL": model_server.firecrawl_url,
        "FIRECRAWL_API_KEY": model_server.api_key("example"),
    }


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """Run an example and return what it printed."""

    def example(language: str, name: str, *arguments: str, answer: str = "") -> str:
        done = subprocess.run(
            command(language, name, *arguments),
            input=answer,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return example


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Start]:
    """Start an example, and kill it if the test has not."""
    started: list[subprocess.Popen[str]] = []

    def example(language: str, name: str, *arguments: str) -> subprocess.Popen[str]:
        words = command(language, name, *arguments)
        started.append(subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield example
    for process in started:
        process.kill()
        process.communicate(timeout=10)


def command(language: str, name: str, *arguments: str) -> list[str | Path]:
    return [*COMMANDS[language], HERE / language / f"{name}.{ENDINGS[language]}", *arguments]


def read_until(process: subprocess.Popen[str], last: str) -> list[str]:
    """Return the lines that a process prints, up to one that begins so."""
    timer = threading.Timer(60, process.kill)
    timer.start()
    lines: list[str] = []
    assert process.stdout
    while not lines or not lines[-1].lstrip().startswith(last):
        line = process.stdout.readline()
        assert line, f"{last!r} never came, but {lines}"
        lines.append(line.rstrip())
    timer.cancel()
    return lines


def test_the_languages_have_the_same_examples() -> None:
    names = {
        language: sorted(file.stem for file in (HERE / language).glob("[0-9][0-9]_*"))
        for language in LANGUAGES
    }
    assert names["python"] == names["typescript"]
    tested = re.findall(r'"(\d\d_\w+)"', Path(__file__).read_text(encoding="utf-8"))
    assert sorted(set(tested)) == names["python"]


@in_both
@pytest.mark.parametrize("allowed", [True, False])
def test_approval(run: Run, model_server: ModelServer, language: str, allowed: bool) -> None:
    told = "Refunded 25 for order 4711." if allowed else "The customer service said no."
    expected = {"input": [{}, {}, {"output": told}]}
    model_server.script("example", [call(REFUND_4711), {**say("Good bye."), "expect": expected}])
    printed = run(language, "01_approval", answer="y\n" if allowed else "n\n")
    assert printed == (
        'The agent wants to call send_refund with {"order":"4711","amount":25}. Allow it? [y/N]\n'
        + ("Paying 25 for order 4711.\n" if allowed else "")
        + "Good bye.\n"
    )


@pytest.mark.parametrize(("first", "second"), from_one_to_the_other)
def test_cross_language(run: Run, model_server: ModelServer, first: str, second: str) -> None:
    model_server.script("example", [call(REFUND_4711), say("Order 4711 is refunded.")])
    started = run(first, "02_cross_language", "start")
    found = re.fullmatch(
        r'Waiting: send_refund {"order":"4711","amount":25}\nResume with: (\S+)\n', started
    )
    assert found
    assert run(second, "02_cross_language", "resume", found[1]) == (
        'Approving: send_refund {"order":"4711","amount":25}\n'
        "Paying 25 for order 4711.\n"
        "Order 4711 is refunded.\n"
    )


@pytest.mark.parametrize(("first", "second"), from_one_to_the_other)
def test_sessions(run: Run, model_server: ModelServer, first: str, second: str) -> None:
    remembers = {"input": [{"content": "My name is Ada."}, {}, {}]}
    model_server.script("example", [say("Hello Ada."), {**say("Ada."), "expect": remembers}])
    assert run(first, "03_sessions", "ada", "My name is Ada.") == (
        "0 items are in the conversation.\nHello Ada.\n"
    )
    assert run(second, "03_sessions", "ada", "What is my name?") == (
        "2 items are in the conversation.\nAda.\n"
    )


@in_both
def test_ollama(run: Run, model_server: ModelServer, language: str) -> None:
    weather = {"type": "function_call", "name": "weather", "arguments": {"city": "Lyon"}}
    usage = {"input_tokens": 20, "output_tokens": 5}
    steps = [{**call(weather), "usage": usage}, {**say("Yes."), "usage": usage}]
    model_server.script("gpt-oss", steps)
    assert run(language, "04_ollama") == "Yes.\n2 requests, 50 tokens\n"


@in_both
def test_fallback(run: Run, model_server: ModelServer, language: str) -> None:
    model_server.script("gpt-oss", [say("Twenty-five euros!")])
    model_server.script("example", [say('{"order": "4711", "amount": 25}')])
    assert run(language, "05_fallback") == (
        "ollama/gpt-oss:20b gave no usable answer.\nOrder 4711: 25\n"
    )


@in_both
def test_web_search(run: Run, model_server: ModelServer, language: str) -> None:
    arguments = {
        "query": "Mont Blanc height",
        "user_location": None,
        "filters": None,
        "search_context_size": "low",
    }
    found = {"url": "https://example.org/", "title": "Mont Blanc", "description": "4806 m"}
    model_server.script(
        "example",
        [
            call({"type": "function_call", "name": "web_search", "arguments": arguments}),
            {"search": {"web": [found]}},
            say("4806 metres (https://example.org/)."),
        ],
    )
    printed = run(language, "06_web_search", "How high is Mont Blanc?")
    assert printed.endswith(
        "1. Mont Blanc\n   https://example.org/\n   4806 m\n\n4806 metres (https://example.org/).\n"
    )


@pytest.mark.parametrize(("first", "second"), from_one_to_the_other)
def test_durable_run(
    run: Run, start: Start, model_server: ModelServer, first: str, second: str
) -> None:
    charge = {"type": "function_call", "name": "charge", "arguments": {"amount": 42}}
    ship = {"type": "function_call", "name": "ship", "arguments": {}}
    model_server.script("example", [call(charge), call(ship), say("Your cup is on its way.")])
    process = start(first, "07_durable_run", "order-1")
    charging, shipping, _ = read_until(process, "now is the time")
    assert charging.startswith("Charging 42, with the key order-1/")
    process.kill()
    again, _, answer = run(second, "07_durable_run", "order-1").splitlines()
    assert (again, answer) == (shipping, "Your cup is on its way.")


@pytest.mark.parametrize(("asks", "works"), from_one_to_the_other)
def test_queue_schedule(
    run: Run, start: Start, model_server: ModelServer, asks: str, works: str
) -> None:
    model_server.script("example", [say("All is well.")] * 30)
    read_until(start(works, "08_queue_schedule", "work"), "Working.")
    assert run(asks, "08_queue_schedule", "queue", works) == (
        "All is well.\n" * 3 + f"Executed by: {works}\n"
    )
    assert run(works, "08_queue_schedule", "schedule") == (
        "A run of every-second: All is well.\n" * 2
    )
