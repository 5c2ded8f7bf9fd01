"""Session: one conversation in PostgreSQL."""

import asyncio
import json
import math
import sys
from typing import Any

import pytest
from agents.memory import Session as SessionProtocol
from agents.memory import SessionSettings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.postgres import execute
from timestep import ConfigurationError, DatabaseUnavailableError, Session

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def here(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_CONNECTION_URI", database_url)


def message(text: str) -> Any:
    return {"role": "user", "content": text}


async def test_a_session_follows_the_sdks_protocol() -> None:
    session = Session("s-1")
    assert isinstance(session, SessionProtocol)
    assert (session.session_id, await session._get_session_id()) == ("s-1", "s-1")
    assert Session().session_id != Session().session_id


@pytest.mark.parametrize("session_id", ["", "  "])
async def test_an_empty_session_id_is_refused(session_id: str) -> None:
    with pytest.raises(ConfigurationError, match="session id is empty"):
        Session(session_id)


async def test_items_come_back_in_order_and_another_object_sees_them() -> None:
    await Session("s-1").add_items([message("a"), message("b")])
    await Session("s-1").add_items([message("c")])
    await Session("s-2").add_items([message("z")])
    assert await Session("s-1").get_items() == [message("a"), message("b"), message("c")]


async def test_a_limit_gives_the_newest_in_order() -> None:
    session = Session("s-1", session_settings=SessionSettings(limit=1))
    await session.add_items([message("a"), message("b"), message("c")])
    assert await session.get_items(2) == [message("b"), message("c")]
    assert await session.get_items() == [message("c")]
    assert await session.get_items(0) == []


async def test_the_newest_item_is_popped() -> None:
    session = Session()
    assert await session.pop_item() is None
    await session.add_items([message("a"), message("b")])
    assert await session.pop_item() == message("b")
    assert await session.get_items() == [message("a")]


async def test_a_cleared_session_is_empty_and_may_be_used_again() -> None:
    session = Session()
    await session.clear_session()
    await session.add_items([message("a")])
    await session.clear_session()
    assert await session.get_items() == []
    await session.add_items([message("b")])
    assert await session.get_items() == [message("b")]


texts = st.text(st.characters(exclude_categories=()), max_size=40)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(texts, max_size=3))
async def test_any_text_survives(contents: list[str]) -> None:
    session = Session()
    items = [message(text) for text in [*contents, "NUL \x00", "half \ud800", "\u2028 \U0001f600"]]
    await session.add_items(items)
    assert await session.get_items() == items


async def test_what_json_cannot_say_is_refused_by_its_path() -> None:
    session = Session()
    with pytest.raises(ValueError, match=r"\$\.content\[0\]\.score"):
        await session.add_items([message("a"), {"role": "user", "content": [{"score": math.nan}]}])  # type: ignore[list-item] - on purpose
    assert await session.get_items() == []


async def test_what_people_ask_for_has_columns(database_url: str) -> None:
    call: Any = {"type": "function_call", "call_id": "c\x00", "name": "f", "arguments": "{}"}
    await Session("s-1").add_items([message("a"), call])
    assert execute(
        database_url, "select type, role, call_id from timestep.session_items order by item_id"
    ) == [("message", "user", None), ("function_call", None, "c\ufffd")]


APPEND = """
import asyncio, sys
from timestep import Session
async def main(me):
    session = Session("shared")
    for n in range(10):
        await session.add_items([{"role": "user", "content": f"{me} {n} {k}"} for k in range(3)])
asyncio.run(main(sys.argv[1]))
"""


async def test_processes_append_at_once_without_tearing_an_append_apart() -> None:
    command = (sys.executable, "-c", APPEND)
    processes = [await asyncio.create_subprocess_exec(*command, str(me)) for me in range(4)]
    async with asyncio.timeout(120):
        assert [await process.wait() for process in processes] == [0] * 4
    contents = [json.loads(json.dumps(i))["content"] for i in await Session("shared").get_items()]
    assert len(contents) == 4 * 10 * 3
    for start in range(0, len(contents), 3):
        me, n, _ = contents[start].split()
        assert contents[start : start + 3] == [f"{me} {n} {k}" for k in range(3)]


async def test_a_statement_that_lost_its_connection_is_not_written_twice(
    database_url: str,
) -> None:
    session = Session("s-1")
    await session.add_items([message("a")])
    execute(
        database_url,
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()",
    )
    await session.add_items([message("b")])
    assert await session.get_items() == [message("a"), message("b")]


async def test_a_wrong_address_is_an_error_and_never_another_database() -> None:
    session = Session(connection_string="postgresql://nobody:secret@127.0.0.1:1/none")
    with pytest.raises(DatabaseUnavailableError) as caught:
        await session.get_items()
    assert "secret" not in str(caught.value)
