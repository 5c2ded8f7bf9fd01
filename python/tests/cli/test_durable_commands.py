"""`timestep runs` and `timestep approvals`, on runs of real processes."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from support.durable import Company, call, says
from support.postgres import clean_environment
from support.waiting import until
from timestep.cli import main

REFUND = says(call("refund", "c1", n=1))
DONE = says("done")


@pytest.fixture(autouse=True)
def database(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_CONNECTION_URI", company.url)


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Run a command in this process and return what it printed as JSON."""

    def run(*words: str) -> Any:
        assert main([*words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that fails and return what it says."""
    assert main(words) == 1
    said = capsys.readouterr()
    assert said.out == ""
    return said.err


def test_a_run_is_approved_on_the_command_line_and_goes_on_in_a_worker(
    company: Company, command: Callable[..., Any]
) -> None:
    company.script(says(call("refund", "c1", n=1), call("refund", "c2", n=2)), DONE)
    company.run("run", workflow_id="w", approve=False)
    worker = company.worker("serve")
    first, second = command("approvals", "list")
    assert (first["tool"], json.loads(first["arguments"])) == ("refund", {"n": 1})
    assert command("runs", "show", "w")["waits_for"] == [first, second]
    decided = command("approvals", "approve", first["approval_id"], "--by", "ada")
    assert (decided["status"], decided["resumed"]) == ("approved", False)
    decided = command("approvals", "reject", second["approval_id"], "--message", "Too much.")
    assert (decided["status"], decided["resumed"]) == ("rejected", True)
    until(lambda: command("runs", "list", "--status", "completed"))
    worker.kill()
    shown = command("runs", "show", "w")
    assert shown["output"] == "done"
    assert [step["key"] for step in shown["steps"]] == ["m::0", "t:/c1", "m::1"]
    assert shown["steps"][1]["output"] == "refunded 1"
    assert [effect[3] for effect in company.effects("end")] == [1]
    by, message = company.rows("select decided_by, message from timestep.tool_calls order by 1")[0]
    assert (by, message) == ("ada", None)
    assert command("approvals", "list") == []
    assert [each["status"] for each in command("approvals", "list", "--all")] == [
        "approved",
        "rejected",
    ]


def test_a_call_is_approved_with_other_arguments_while_no_process_runs(
    company: Company, command: Callable[..., Any]
) -> None:
    company.script(REFUND, DONE)
    company.run("run", workflow_id="w", approve=False)
    (approval,) = command("approvals", "list", "--run", "w")
    decided = command("approvals", "approve", approval["approval_id"], "--arguments", '{"n": 5}')
    assert decided["resumed"]
    assert [run["status"] for run in command("runs", "list")] == ["pending"]
    assert company.run("wait", workflow_id="w")["output"] == "done"
    assert [effect[3] for effect in company.effects("end")] == [5]


def test_what_cannot_be_decided_is_refused_in_words(
    company: Company, command: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    company.script(REFUND, DONE)
    company.run("run", workflow_id="w", approve=False)
    (approval,) = command("approvals", "list")
    chosen = approval["approval_id"]
    assert "no JSON" in refused(capsys, "approvals", "approve", chosen, "--arguments", "{n: 5}")
    assert "JSON object" in refused(capsys, "approvals", "approve", chosen, "--arguments", "5")
    assert "no approval id" in refused(capsys, "approvals", "approve", "w")
    nobody = "00000000-0000-4000-8000-000000000000"
    assert "no approval" in refused(capsys, "approvals", "reject", nobody)
    assert command("approvals", "reject", chosen, "--by", "ada")["decided_by"] == "ada"
    assert command("approvals", "reject", chosen)["decided_by"] == "ada"
    assert "rejected by ada already" in refused(capsys, "approvals", "approve", chosen)
    assert "no run 'x'" in refused(capsys, "runs", "show", "x")
    assert "no run 'x'" in refused(capsys, "runs", "cancel", "x")


@pytest.mark.parametrize("limit", ["-1", "0", "many", "1.5", "9" * 30])
@pytest.mark.parametrize("command", ["runs", "approvals"])
def test_a_limit_that_is_none_is_refused(
    capsys: pytest.CaptureFixture[str], command: str, limit: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([command, "list", "--limit", limit])
    said = capsys.readouterr().err
    assert f"argument --limit: it is '{limit}'; expected a whole number from 1 on" in said


def test_a_run_is_cancelled_on_the_command_line(
    company: Company, command: Callable[..., Any]
) -> None:
    company.script(says(call("slow", "c1", seconds=30)), DONE)
    worker = company.worker("run", workflow_id="w")
    until(lambda: company.effects("start"))
    assert command("runs", "cancel", "w", "--reason", "no more") == {
        "run_id": "w",
        "cancelled": True,
    }
    assert worker.wait(20) == 0
    assert json.loads(worker.output)["status"] == "cancelled"
    assert command("runs", "cancel", "w")["cancelled"] is False
    assert command("runs", "show", "w")["error"] == "no more"


def test_a_program_reads_one_line_per_row(
    company: Company, capsys: pytest.CaptureFixture[str]
) -> None:
    company.script(REFUND, DONE)
    assert main(["runs", "list"]) == 0
    assert capsys.readouterr().out == ""
    company.run("run", workflow_id="w", approve=False)
    assert main(["approvals", "list"]) == 0
    _, *rest = capsys.readouterr().out.rstrip("\n").split("\t")
    assert rest == ["refund", '{"n":1}', "pending", "w", "-"]


def test_a_person_reads_tables(company: Company) -> None:
    company.script(REFUND, DONE)
    assert "no runs" in on_a_terminal("runs", "list")
    assert "nothing waits" in on_a_terminal("approvals", "list")
    company.run("run", workflow_id="w", approve=False)
    assert "run id" in on_a_terminal("runs", "list")
    shown = on_a_terminal("runs", "show", "w")
    assert "calls refund" in shown
    assert "approvals list --run w" in shown
    asked = on_a_terminal("approvals", "list")
    assert '{"n":1}' in asked
    approval_id = asked.split()[0]
    company.rows("update timestep.approvals set reason = 'outcome_unknown' returning 1")
    assert "outcome of this call is unknown" in " ".join(on_a_terminal("approvals", "list").split())
    assert "goes on" in on_a_terminal("approvals", "approve", approval_id)


def on_a_terminal(*words: str) -> str:
    """Run a command as a person does and return what the terminal shows."""
    screen, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "timestep.cli", *words],
        stdin=end,
        stdout=end,
        stderr=end,
        env=clean_environment(
            PG_CONNECTION_URI=os.environ["PG_CONNECTION_URI"], TERM="dumb", COLUMNS="100"
        ),
    )
    os.close(end)
    shown = b""
    try:
        while piece := os.read(screen, 4096):
            shown += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(screen)
    assert process.wait(30) == 0, shown.decode()
    return shown.decode()
