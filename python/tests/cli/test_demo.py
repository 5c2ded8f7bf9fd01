"""timestep demo: what it does, what it leaves in the database, how it ends when it cannot go on."""

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from support.postgres import clean_environment, execute
from support.waiting import until
from timestep.cli import main
from timestep.database import Database, open_database_sync
from timestep.demo import Takeover, chosen_model, python
from timestep.demo.languages import Language
from timestep.demo.part import Call, Part
from timestep.demo.takeover import TOOLS, Recorded, TakeoverReport
from timestep.errors import TimestepError
from timestep.testing import ModelServer

COMMAND = [sys.executable, "-W", "error", "-m", "timestep.cli", "demo"]


@pytest.fixture(autouse=True)
def shop(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    monkeypatch.setenv("PG_CONNECTION_URI", database_url)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@contextmanager
def answering(monkeypatch: pytest.MonkeyPatch, *steps: Any) -> Iterator[ModelServer]:
    """Put a server of our own where the key would lead."""
    with ModelServer() as server:
        server.script("paid", list(steps))
        monkeypatch.setenv("OPENAI_API_KEY", server.api_key("paid"))
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_AGENTS_DISABLE_TRACING", "1")
        yield server


def test_each_language_finishes_what_the_other_began(
    capsys: pytest.CaptureFixture[str], database_url: str
) -> None:
    assert main(["demo", "--yes", "--json"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    document = json.loads(said.out)
    assert "scripted" in document["model"]
    assert "PostgreSQL" in document["database"]
    assert [[part["language"] for part in run["parts"]] for run in document["runs"]] == [
        ["Python", "TypeScript"],
        ["TypeScript", "Python"],
    ]
    runs = [*document["runs"], *document["takeovers"]]
    processes = {part["process"] for run in runs for part in run["parts"]}
    assert len(processes | {os.getpid()}) == 9
    for run, order in zip(document["runs"], ("4711", "4712"), strict=True):
        beginning, end = run["parts"]
        refund = {"order": order, "amount": "42.00 EUR"}
        assert [call["tool"] for call in beginning["calls"]] == ["look_up_order"]
        assert [call["arguments"] for call in beginning["waiting"]] == [refund]
        assert [(call["tool"], call["arguments"]) for call in end["calls"]] == [
            ("send_refund", refund)
        ]
        assert end["answer"]
        assert run["refunds"] == {"approved": 1, "sent": 1}
        assert execute(
            database_url,
            "select version, status, writer_language from timestep.run_states"
            f" where session_id = '{run['session_id']}'",
        ) == [(beginning["version"], "done", beginning["language"].lower())]
    for run, languages in zip(
        document["takeovers"], (["Python", "TypeScript"], ["TypeScript", "Python"]), strict=True
    ):
        dead, finisher = run["parts"]
        assert [dead["language"], finisher["language"]] == languages
        assert [(part["killed"], len(part["calls"])) for part in (dead, finisher)] == [
            (True, 1),
            (False, 1),
        ]
        assert run["calls"] == {"charge_customer": 1, "ship_order": 1}
        assert (dead["answer"], finisher["answer"]) == (None, json.loads(of_run(database_url, run)))
        assert execute(
            database_url,
            "select name, language from timestep.steps"
            f" where run_id = '{run['run_id']}' order by finished_at",
        ) == [
            (name, language.lower())
            for name, language in (
                ("gpt-4.1", dead["language"]),
                ("charge_customer", dead["language"]),
                ("gpt-4.1", finisher["language"]),
                ("ship_order", finisher["language"]),
                ("gpt-4.1", finisher["language"]),
            )
        ]


def of_run(database_url: str, run: dict[str, Any]) -> str:
    """Return the output of a run that was completed after one change of hands."""
    [(output,)] = execute(
        database_url,
        "select output from timestep.runs where status = 'completed' and epoch = 2"
        f" and run_id = '{run['run_id']}'",
    )
    return output


def test_a_tool_that_runs_twice_ends_the_demo_with_an_error() -> None:
    charged, shipped = (Call(tool, {"order": "1"}, "done") for tool in TOOLS)
    steps = [Recorded("tool", TOOLS[0], "python"), Recorded("tool", TOOLS[1], "typescript")]
    dead = Part("Python", calls=[charged])
    TakeoverReport("run", [dead, Part("TypeScript", calls=[shipped])], steps).check()
    for wrong in ([charged, shipped], [shipped, shipped], []):
        report = TakeoverReport("run", [dead, Part("TypeScript", calls=wrong)], steps)
        with pytest.raises(TimestepError, match="each tool was to run once"):
            report.check()
    with pytest.raises(TimestepError, match="each tool was to run once"):
        TakeoverReport(
            "run", [dead, Part("TypeScript", calls=[shipped])], [*steps, steps[1]]
        ).check()


def test_a_run_that_nobody_finishes_is_not_left_to_the_next_demo(
    monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    charge = {"order": "1", "amount": "1 EUR"}
    ask = {"output": [{"type": "function_call", "name": "charge_customer", "arguments": charge}]}
    broken = Language("Python", (sys.executable, "-c", "raise SystemExit(3)"))
    database = open_database_sync(database_url)
    with (
        answering(monkeypatch, ask, {"hold": "thinking"}),
        chosen_model() as model,
        closing_sync(database),
    ):
        takeover = Takeover(model=model, database=database, tell=lambda *_: None)
        with pytest.raises(TimestepError, match="ended with exit code 3"):
            takeover.run([python(), broken], "4711")
    assert execute(database_url, "select status, error from timestep.runs") == [
        ("cancelled", "The demo ended.")
    ]


def test_a_model_that_needs_no_tool_leaves_nothing_to_kill(
    monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    talk = {"output": [{"type": "message", "text": "I am a teapot."}]}
    database = open_database_sync(database_url)
    with answering(monkeypatch, talk), chosen_model() as model, closing_sync(database):
        takeover = Takeover(model=model, database=database, tell=lambda *_: None)
        with pytest.raises(TimestepError, match=r"did not call a tool.*I am a teapot"):
            takeover.run([python(), python()], "4711")


@contextmanager
def closing_sync(database: Database) -> Iterator[None]:
    try:
        yield
    finally:
        database.close_sync()


def test_a_person_is_asked_at_the_terminal_and_may_leave(database_url: str) -> None:
    with terminal() as (demo, screen):
        screen.wait_for('Approve send_refund(order="4711", amount="42.00 EUR")? (y/n)')
        screen.type("perhaps\n")
        screen.wait_for("answer y or n:")
        screen.type("n\n")
        screen.wait_for("What shall the model be told?")
        screen.type("send a photo first\n")
        screen.wait_for("refunds approved: 0, sent: 0")
        screen.wait_for('Approve send_refund(order="4712"')
        screen.type("\x03")
        assert demo.wait(30) == 130
    assert execute(
        database_url, "select status, message from timestep.approvals order by created_at"
    ) == [("rejected", "send a photo first"), ("pending", None)]


def test_without_a_terminal_nobody_can_be_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\ny\n"))
    assert main(["demo"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "timestep demo --yes" in said.err


def test_a_key_leads_to_the_real_model_which_may_not_do_as_hoped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    talk = {"output": [{"type": "message", "text": "I am a teapot."}]}
    with answering(monkeypatch, talk) as server:
        assert main(["demo", "--yes"]) == 1
        assert [request["status"] for request in server.requests("paid")] == [200]
    said = capsys.readouterr()
    assert "gpt-4.1" in said.out
    assert "without asking for the refund" in said.err
    assert "I am a teapot." in said.err


def test_an_error_of_the_model_ends_the_demo_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = {"error": {"message": "no such key", "type": "invalid_request_error"}}
    with answering(monkeypatch, {"fault": {"status": 401, "body": refusal}}):
        assert main(["demo", "--yes"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("timestep: The Python process failed: AuthenticationError: ")
    assert "no such key" in said


def test_a_process_that_takes_too_long_is_ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("timestep.demo.part.LONGEST_SECONDS", 0.1)
    assert main(["demo", "--yes"]) == 1
    assert "The Python process was not done within 0 seconds" in capsys.readouterr().err


def test_an_interrupt_ends_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(monkeypatch, {"hold": "thinking"}) as server:
        demo = subprocess.Popen(
            [*COMMAND, "--yes"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            start_new_session=True,
        )
        server.wait_until_held("paid", "thinking", timeout_seconds=60)
        os.killpg(demo.pid, signal.SIGINT)
        out, err = demo.communicate(timeout=30)
    assert (demo.returncode, err) == (130, "")
    [process] = re.findall(r"^  Python .*process (\d+)$", out, re.MULTILINE)
    until(lambda: not alive(int(process)))


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def environment(**variables: str) -> dict[str, str]:
    return clean_environment(PG_CONNECTION_URI=os.environ["PG_CONNECTION_URI"], **variables)


class Screen:
    """What a terminal shows, and its keyboard."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._shown = ""

    def wait_for(self, text: str) -> None:
        """Read on until the text has come; what came before it is forgotten."""
        while text not in self._shown:
            try:
                read = os.read(self._descriptor, 4096)
            except OSError:  # how a terminal says that the last program has left it
                read = b""
            assert read, f"{text!r} never came, but {self._shown!r}"
            self._shown += re.sub(r"\x1b\[[0-9;]*m", "", read.decode())
        self._shown = self._shown.partition(text)[2]

    def type(self, keys: str) -> None:
        os.write(self._descriptor, keys.encode())


@contextmanager
def terminal() -> Iterator[tuple[subprocess.Popen[bytes], Screen]]:
    """Run the demo in a terminal of its own."""
    ours, its = pty.openpty()
    demo = subprocess.Popen(
        [sys.executable, "-c", IN_TERMINAL, *COMMAND],
        stdin=its,
        stdout=its,
        stderr=its,
        env=environment(TERM="xterm", COLUMNS="120"),
        start_new_session=True,
    )
    os.close(its)
    timer = threading.Timer(120, demo.kill)
    timer.start()
    try:
        yield demo, Screen(ours)
    finally:
        timer.cancel()
        demo.kill()
        demo.wait()
        os.close(ours)


# Ctrl-C goes to the programs whose controlling terminal it is typed in.
IN_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
