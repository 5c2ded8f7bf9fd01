"""`timestep runs` and `timestep approvals`, on runs of real processes."""

import argparse
import json
from collections.abc import Callable
from typing import Any

import pytest
from support.durable import Company, call, says
from support.waiting import until
from timestep.cli import approvals, runs


@pytest.fixture
def command(
    company: Company, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """Run a command in this process and return what it printed as JSON."""
    monkeypatch.setenv("PG_CONNECTION_URI", company.url)

    def run(*words: str) -> Any:
        parser = argparse.ArgumentParser()
        commands = parser.add_subparsers()
        for module in (runs, approvals):
            module.add_parser(commands)
        arguments = parser.parse_args([*words, "--json"])
        assert arguments.run(arguments) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_a_run_is_approved_on_the_command_line_and_goes_on_in_a_worker(
    company: Company, command: Callable[..., Any]
) -> None:
    company.script(says(call("refund", "c1", n=1), call("refund", "c2", n=2)), says("done"))
    company.run("run", workflow_id="w", approve=False)
    worker = company.worker("serve")
    first, second = command("approvals", "list")
    assert (first["tool"], json.loads(first["arguments"])) == ("refund", {"n": 1})
    decided = command("approvals", "approve", first["approval_id"], "--by", "ada")
    assert (decided["status"], decided["resumed"]) == ("approved", False)
    decided = command("approvals", "reject", second["approval_id"], "--message", "Too much.")
    assert (decided["status"], decided["resumed"]) == ("rejected", True)
    until(lambda: command("runs", "list", "--status", "completed"))
    worker.kill()
    shown = command("runs", "show", "w")
    assert json.loads(shown["output"]) == "done"
    assert [step["key"] for step in shown["steps"]] == ["m::0", "t:/c1", "m::1"]
    assert [effect[3] for effect in company.effects("end")] == [1]
    assert company.rows("select decided_by from timestep.tool_calls where call_id = 'c1'") == [
        ("ada",)
    ]
    assert command("approvals", "list") == []


def test_a_run_is_cancelled_on_the_command_line(
    company: Company, command: Callable[..., Any]
) -> None:
    company.script(says(call("slow", "c1", seconds=30)), says("done"))
    worker = company.worker("run", workflow_id="w")
    until(lambda: company.effects("start"))
    assert command("runs", "cancel", "w") == {"run_id": "w", "cancelled": True}
    assert worker.wait(20) == 0
    assert json.loads(worker.output)["status"] == "cancelled"
    assert command("runs", "cancel", "w")["cancelled"] is False
