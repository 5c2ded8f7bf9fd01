"""timestep doctor: it tells what is wrong, changes nothing and keeps secrets."""

import json
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
