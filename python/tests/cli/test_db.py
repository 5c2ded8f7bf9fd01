"""timestep db: what it prints and its exit codes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import processes
from support.postgres import clean_environment, execute, new_data_folder
from support.servers import closed_port
from timestep.cli import main
from timestep.database.migrate import read_migrations

ATTACHED = """
import sys
from timestep.database import embedded
print(embedded.attach().url, flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def embedded_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with new_data_folder() as folder, closed_port() as port:
        monkeypatch.setenv("TIMESTEP_DATA_DIR", str(folder))
        monkeypatch.setenv("TIMESTEP_EMBEDDED", "on")
        monkeypatch.setenv("PGPORT", str(port))
        yield folder
        main(["db", "stop", "--force"])


def document(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out)


def test_the_embedded_server_is_started_kept_and_stopped(
    embedded_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["db", "status", "--json"]) == 3
    assert document(capsys)["state"] == "absent"
    assert main(["db", "url"]) == 1
    assert "timestep db start" in capsys.readouterr().err
    assert main(["db", "stop", "--json"]) == 0
    assert document(capsys) == {"stopped": False}

    assert main(["db", "start"]) == 0
    assert "kept up" in capsys.readouterr().out
    assert main(["db", "status"]) == 0
    assert str(embedded_folder) in capsys.readouterr().out
    assert main(["db", "url"]) == 0
    url = capsys.readouterr().out.strip()
    other = processes.launch(
        ATTACHED, env=clean_environment(TIMESTEP_DATA_DIR=str(embedded_folder))
    )
    assert other.stdout.readline().strip() == url
    assert main(["db", "migrate", "--json"]) == 0
    assert document(capsys)["applied"] == [each.version for each in read_migrations()]
    assert main(["db", "migrate"]) == 0
    assert "was up to date" in capsys.readouterr().out

    assert main(["db", "stop"]) == 1
    assert "--force" in capsys.readouterr().err
    assert other.communicate("\n", timeout=120) == ("", "")
    assert execute(url, "select 1") == [(1,)], "it was to be kept up"
    assert main(["db", "stop", "--json"]) == 0
    assert document(capsys) == {"stopped": True}
    assert main(["db", "status", "--json"]) == 3
    assert document(capsys)["state"] == "stopped"


def test_the_address_of_what_is_configured_is_printed_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PG_CONNECTION_URI", "postgres://ann:secret@db.example/shop")
    assert main(["db", "url"]) == 0
    assert capsys.readouterr().out == "postgresql://ann:secret@db.example:5432/shop\n"
    assert main(["db", "url", "--json"]) == 0
    assert document(capsys) == {
        "url": "postgresql://ann:secret@db.example:5432/shop",
        "source": "PG_CONNECTION_URI",
    }


def test_an_error_is_one_line_and_exit_code_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PG_CONNECTION_URI", "mysql://ann:secret@db.example/shop")
    assert main(["db", "migrate"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("timestep: PG_CONNECTION_URI: ")


def test_a_wrong_command_line_is_exit_code_two(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["db", "polish"])
    assert ended.value.code == 2
    assert "polish" in capsys.readouterr().err
