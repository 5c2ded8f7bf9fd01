"""Which database is used, and the one clear error when it cannot be."""

import getpass
import logging
import time
import traceback
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.postgres import clean_environment, execute, new_database, on_database
from support.processes import launch
from support.servers import closed_port, http_server, silent_server
from timestep.database import open_database_sync
from timestep.database.embedded import binaries
from timestep.database.resolve import configured, use_dbos_connection
from timestep.errors import ConfigurationError, TimestepError

SECRET = "hunter2-4711"
LIMIT = 8.0  # seconds: 2 and much room for a busy machine, less than the 10 of an explicit address
A, B = "postgresql://ann:secret@a.example/x", "postgresql://ann:secret@b.example/x"


def failure(connection_string: str | None = None) -> tuple[str, float]:
    """Return the message of the failing open and its seconds; no trace of it shows the secret."""
    started = time.monotonic()
    with pytest.raises(TimestepError) as raised:
        open_database_sync(connection_string)
    seconds = time.monotonic() - started
    assert SECRET not in "".join(traceback.format_exception(raised.value))
    return str(raised.value), seconds


@pytest.fixture
def server(postgres_server: str):
    return urlsplit(postgres_server)


def test_the_argument_comes_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_CONNECTION_URI", B)
    choice = configured(A)
    assert choice
    assert (choice.source, choice.address.display) == ("connection_string", "a.example:5432/x")


def test_the_variable_comes_before_dbos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_CONNECTION_URI", B)
    use_dbos_connection(A)
    try:
        choice = configured()
    finally:
        use_dbos_connection(None)
    assert choice
    assert choice.source == "PG_CONNECTION_URI"


def test_dbos_comes_before_the_variables_of_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "c.example")
    use_dbos_connection("postgresql+psycopg://ann:secret@a.example/x")
    try:
        choice = configured()
    finally:
        use_dbos_connection(None)
    assert choice
    assert (choice.source, choice.address.display) == ("DBOS", "a.example:5432/x")


def test_a_dbos_on_sqlite_is_no_database_for_us() -> None:
    use_dbos_connection("sqlite:///x.sqlite")
    try:
        assert configured() is None
    finally:
        use_dbos_connection(None)


def test_the_variables_of_libpq_make_one_address(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGHOST": "c.example",
        "PGPORT": "6000",
        "PGUSER": "ann",
        "PGPASSWORD": "p@ss",
        "PGDATABASE": "shop",
        "PGSSLMODE": "require",
        "PGCONNECT_TIMEOUT": "4",
    }.items():
        monkeypatch.setenv(name, value)
    choice = configured()
    assert choice
    assert choice.source == "PGHOST"
    assert choice.address.url == "postgresql://ann:p%40ss@c.example:6000/shop?sslmode=require"
    assert choice.address.connect_timeout == 4


def test_an_entry_of_the_service_file_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entry = "[shop]\nhost=d.example\nport=6001\nuser=bob\npassword=s3\ndbname=till\n"
    (tmp_path / "services").write_text(entry)
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("PGSERVICE", "shop")
    choice = configured()
    assert choice
    assert choice.source == "PGSERVICE"
    assert choice.address.url == "postgresql://bob:s3@d.example:6001/till"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PGHOST": "/var/run/postgresql"}, "unix socket"),
        ({"PGHOST": "a.example,b.example"}, "several hosts"),
        ({"PGSERVICE": "missing"}, "PGSERVICE"),
    ],
)
def test_a_configuration_of_libpq_that_cannot_be_used_is_refused(
    variables: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=words):
        configured()


def test_a_refused_address_names_where_it_was_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_CONNECTION_URI", f"mysql://ann:{SECRET}@db.example/x")
    message, _ = failure()
    assert message.startswith("PG_CONNECTION_URI: ")
    assert "mysql" in message


def test_a_closed_port_is_one_quick_error() -> None:
    with closed_port() as port:
        message, seconds = failure(f"postgresql://ann:{SECRET}@127.0.0.1:{port}/x")
    assert f"127.0.0.1:{port}/x (connection_string)" in message
    assert "Connection refused" in message
    assert seconds < LIMIT


def test_a_silent_server_is_given_up_after_its_connect_timeout() -> None:
    with silent_server() as port:
        message, seconds = failure(
            f"postgresql://ann:{SECRET}@127.0.0.1:{port}/x?connect_timeout=2"
        )
    assert "no answer within 2 seconds" in message
    assert seconds < LIMIT


def test_a_web_server_is_recognised_as_no_postgres() -> None:
    with http_server() as port:
        message, seconds = failure(f"postgresql://ann:{SECRET}@127.0.0.1:{port}/x")
        plain, _ = failure(f"postgresql://ann:{SECRET}@127.0.0.1:{port}/x?sslmode=disable")
    assert "PostgreSQL" in message
    assert "other than PostgreSQL" in plain
    assert seconds < LIMIT


def test_a_host_that_does_not_exist_is_one_error() -> None:
    message, _ = failure(f"postgresql://ann:{SECRET}@no-such-host.invalid/x")
    assert "no-such-host.invalid" in message


def test_a_wrong_password_is_one_error(server) -> None:
    message, _ = failure(
        f"postgresql://{server.username}:{SECRET}@127.0.0.1:{server.port}/postgres"
    )
    assert "password authentication failed" in message
    assert "check user and password" in message


def test_a_missing_password_is_one_error(server) -> None:
    message, _ = failure(f"postgresql://{server.username}@127.0.0.1:{server.port}/postgres")
    assert "requires a password" in message


def test_a_user_that_may_not_log_in_is_one_error(postgres_server: str, server) -> None:
    execute(postgres_server, f"create role test_nologin nologin password '{SECRET}'")
    try:
        message, _ = failure(f"postgresql://test_nologin:{SECRET}@127.0.0.1:{server.port}/postgres")
    finally:
        execute(postgres_server, "drop role test_nologin")
    assert "not permitted to log in" in message


def test_a_database_that_the_user_named_is_not_created(postgres_server: str) -> None:
    message, _ = failure(on_database(postgres_server, "test_never_made"))
    assert 'database "test_never_made" does not exist' in message
    found = "select from pg_database where datname = 'test_never_made'"
    assert execute(postgres_server, found) == []


def test_what_is_configured_never_gives_way_to_what_is_found(
    monkeypatch: pytest.MonkeyPatch, server
) -> None:
    monkeypatch.setenv("PGPORT", str(server.port))
    monkeypatch.setenv("PGUSER", server.username)
    monkeypatch.setenv("PGPASSWORD", server.password)
    with closed_port() as port:
        monkeypatch.setenv("PG_CONNECTION_URI", f"postgresql://ann:{SECRET}@127.0.0.1:{port}/x")
        message, _ = failure()
    assert "PG_CONNECTION_URI" in message
    assert "Connection refused" in message


def test_the_server_on_localhost_is_found_and_its_database_created(
    monkeypatch: pytest.MonkeyPatch, postgres_server: str, server
) -> None:
    monkeypatch.setenv("PGPORT", str(server.port))
    monkeypatch.setenv("PGUSER", server.username)
    monkeypatch.setenv("PGPASSWORD", server.password)
    monkeypatch.setenv("PGDATABASE", "test_found_on_localhost")
    try:
        database = open_database_sync()
        assert database.location.source == "localhost"
        assert f"localhost:{server.port}/test_found_on_localhost" in database.location.display
        assert database.fetch_sync("select version from timestep.migrations where version = 1")
        database.close_sync()
    finally:
        execute(postgres_server, "drop database test_found_on_localhost with (force)")


def test_nothing_at_all_is_one_error_with_the_ways_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with closed_port() as port:
        monkeypatch.setenv("PGPORT", str(port))
        message, seconds = failure()
    assert f"localhost:{port} (nothing listens there)" in message
    assert "switched off by TIMESTEP_EMBEDDED" in message
    for way_out in ("PG_CONNECTION_URI=postgresql://", "timestep[postgres]", "docker run"):
        assert way_out in message
    assert caplog.records == []
    assert seconds < LIMIT


def test_no_binaries_are_one_error_with_the_ways_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TIMESTEP_EMBEDDED", "on")
    monkeypatch.setenv("TIMESTEP_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(binaries, "PACKAGE", "no_such_package")
    monkeypatch.setattr(binaries, "USUAL_FOLDERS", ())
    with closed_port() as port:
        monkeypatch.setenv("PGPORT", str(port))
        message, _ = failure()
    assert "no PostgreSQL binaries of version 14 or newer on this machine" in message
    assert "timestep[postgres]" in message


def test_binaries_that_were_chosen_and_are_not_there_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TIMESTEP_EMBEDDED", "on")
    monkeypatch.setenv("TIMESTEP_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("TIMESTEP_PG_BIN", str(tmp_path))
    with closed_port() as port:
        monkeypatch.setenv("PGPORT", str(port))
        message, _ = failure()
    assert "TIMESTEP_PG_BIN" in message


@pytest.mark.parametrize(
    ("listener", "words"),
    [(silent_server, "no answer within 2 seconds"), (http_server, "PostgreSQL")],
)
def test_what_answers_on_localhost_and_is_unusable_is_warned_of(
    listener, words: str, monkeypatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PGPASSWORD", SECRET)
    with listener() as port, caplog.at_level(logging.WARNING, "timestep"):
        monkeypatch.setenv("PGPORT", str(port))
        message, seconds = failure()
    assert words in message
    (warning,) = [each.getMessage() for each in caplog.records if each.name == "timestep"]
    assert f"localhost:{port}" in warning
    assert SECRET not in warning
    assert seconds < LIMIT


def test_a_refused_user_on_localhost_is_warned_of_and_nothing_is_guessed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, server
) -> None:
    monkeypatch.setenv("PGPORT", str(server.port))
    monkeypatch.setenv("PGPASSWORD", SECRET)
    with caplog.at_level(logging.WARNING, "timestep"):
        message, _ = failure()
    assert f"user '{getpass.getuser()}': password authentication failed" in message
    assert len([each for each in caplog.records if each.name == "timestep"]) == 1


def test_the_connection_of_a_configured_dbos_is_used(postgres_server: str) -> None:
    pytest.importorskip("dbos", reason="dbos is an optional companion")
    with new_database(postgres_server) as url:
        program = (
            "import warnings; warnings.simplefilter('ignore'); from dbos import DBOS; "
            "DBOS(config={'name': 'shop', 'system_database_url': sys.argv[1]}); "
            "from timestep.database import open_database_sync; "
            "location = open_database_sync().location; print(location.source, location.url)"
        )
        process = launch(program, url, env=clean_environment(TIMESTEP_EMBEDDED="off"))
        output, errors = process.communicate(timeout=120)
        assert output.split() == ["DBOS", url], errors


def test_asking_about_dbos_does_not_import_it() -> None:
    program = (
        "from timestep.database.resolve import configured; "
        "print(configured(), 'dbos' in sys.modules)"
    )
    output, errors = launch(program, env=clean_environment()).communicate(timeout=120)
    assert output.split() == ["None", "False"], errors
