"""The rows of spec/vectors/connection_uris, and that an address's one form is its own."""

import json
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from timestep.database.address import build_url, parse_address
from timestep.errors import ConfigurationError

VECTORS = Path(__file__).parents[3] / "spec/vectors/connection_uris"


def rows(name: str) -> list:
    found = json.loads((VECTORS / name).read_text(encoding="utf-8"))
    return [pytest.param(row, id=row["description"]) for row in found]


def set_environment(row: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in row.get("environment", {}).items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("row", rows("accepted.json"))
def test_an_address_has_one_form(row: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(row, monkeypatch)
    address = parse_address(row["input"])
    assert address.url == row["output"]["url"]
    assert address.display == row["output"]["display"]
    assert address.connect_timeout == row["output"]["connect_timeout"]


@pytest.mark.parametrize("row", rows("accepted.json"))
def test_the_one_form_stays_as_it_is(row: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(row, monkeypatch)
    url = parse_address(row["input"]).url
    assert parse_address(url).url == url


@pytest.mark.parametrize("row", rows("refused.json"))
def test_an_address_is_refused_by_name(row: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(row, monkeypatch)
    with pytest.raises(ConfigurationError) as refused:
        parse_address(row["input"])
    for text in row["error"]:
        assert text in str(refused.value)
    if "secret" in row:
        assert row["secret"] not in str(refused.value)


def test_an_address_is_shown_without_its_password() -> None:
    assert "secret" not in repr(parse_address("postgresql://ann:secret@db.example/shop"))


printable = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(user=printable, password=printable, application_name=printable)
def test_libpq_reads_what_was_meant(user: str, password: str, application_name: str) -> None:
    url = build_url(
        user=user,
        password=password,
        host="db.example",
        port=5432,
        database="shop",
        parameters={"application_name": application_name},
    )
    read = conninfo_to_dict(parse_address(url).url)
    assert read["user"] == user
    assert read["password"] == password
    assert read["application_name"] == application_name


@given(st.text())
def test_any_text_is_an_address_of_libpq_or_refused(text: str) -> None:
    try:
        url = parse_address("postgresql://" + text).url
    except ConfigurationError:
        return
    try:
        assert conninfo_to_dict(url)["host"]
    except psycopg.ProgrammingError as error:
        pytest.fail(f"libpq refuses {url}: {error}")
