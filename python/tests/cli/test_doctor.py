"""timestep doctor: it tells what is wrong, changes nothing and keeps secrets."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.postgres import execute
from support.servers import closed_port
from timestep.cli import main

SECRET = "hunter2-4711"


def test_a_usable_database_is_described(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PG_CONNECTION_URI", database_url)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    assert main(["doctor", "--json"]) == 0
    output = capsys.readouterr().out
    report = json.loads(output)
    assert report["database"]["usable"] is True
    assert report["database"]["source"] == "PG_CONNECTION_URI"
    assert report["database"]["schema"] == report["database"]["schema of this package"]
    assert report["versions"]["timestep"]
    assert report["environment"]["OPENAI_API_KEY"] == "set"
    assert report["environment"]["PG_CONNECTION_URI"] == report["database"]["address"]
    assert SECRET not in output
    assert database_url.split(":")[2].split("@")[0] not in output


def test_durable_runs_are_counted(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PG_CONNECTION_URI", database_url)
    execute(
        database_url,
        "insert into timestep.executors"
        " (instance, executor_id, application, language, host, pid, alive_until)"
        " values (gen_random_uuid(), 'one', 'shop-py', 'python', 'here', 1, now() + '1 minute'),"
        " (gen_random_uuid(), 'two', 'shop-py', 'python', 'here', 2, now()) returning 1",
    )
    execute(
        database_url,
        "insert into timestep.runs (run_id, agent, language, input, input_sha256, status, owner)"
        " select status, 'a', 'python', '\"\"', '', status, instance from timestep.executors,"
        " unnest(array['running', 'interrupted']) status where executor_id = 'two' returning 1",
    )
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["durable runs"] == {
        "processes": "1 python (shop-py)",
        "pending": 0,
        "running": 1,
        "interrupted": 1,
        "to be taken over": 1,
    }


IMPATIENT = """
import os, signal, sys
from timestep.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
class Impatient:
    def find_spec(self, name, *_):
        if name == "rich":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Impatient())
sys.exit(main(["doctor"]))
"""


def test_an_interrupt_while_a_command_loads_is_quiet() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", IMPATIENT], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_the_schema_is_looked_at_and_not_made(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PG_CONNECTION_URI", empty_database_url)
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["database"]["schema"] == 0
    assert execute(empty_database_url, "select to_regnamespace('timestep')") == [(None,)]


def test_an_unusable_database_is_exit_code_three_and_shows_no_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with closed_port() as port:
        monkeypatch.setenv("PG_CONNECTION_URI", f"postgresql://ann:{SECRET}@127.0.0.1:{port}/x")
        monkeypatch.setenv("PGPASSWORD", SECRET)
        assert main(["doctor"]) == 3
    said = capsys.readouterr()
    assert "Connection refused" in said.out
    assert SECRET not in said.out + said.err


def test_the_embedded_server_is_not_started_by_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIMESTEP_EMBEDDED", "on")
    monkeypatch.setenv("TIMESTEP_DATA_DIR", str(tmp_path))
    with closed_port() as port:
        monkeypatch.setenv("PGPORT", str(port))
        assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["embedded"]["state"] == "absent"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("uri", [f"mysql://ann:{SECRET}@db.example/x", f"ann:{SECRET}@db.example"])
def test_an_address_that_cannot_be_used_is_not_repeated(
    uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PG_CONNECTION_URI", uri)
    assert main(["doctor", "--json"]) == 3
    output = capsys.readouterr().out
    assert json.loads(output)["environment"]["PG_CONNECTION_URI"] == "set, and not usable"
    assert SECRET not in output
