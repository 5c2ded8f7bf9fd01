"""RunStateStore: versions, what is loaded, what is refused."""

import asyncio
import json
import math
from dataclasses import asdict, dataclass
from typing import Any

import pytest
from agents import Agent, RunContextWrapper, RunState, UserError, function_tool
from support.postgres import execute
from support.refunds import ASK, DONE, Refunds, turn
from timestep import (
    AgentMismatchError,
    ConfigurationError,
    NotPortableError,
    RunStateNotFoundError,
    RunStateStore,
    StateConflictError,
    run_agent,
)
from timestep.testing import ModelServer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("model")]


async def paused(agent: Agent | None = None, **options: Any) -> Any:
    result = await run_agent(agent or Refunds().agent(), "Refund 4711", **options)
    return result.to_state()


async def test_versions_count_up_and_the_same_state_is_one_version() -> None:
    store = RunStateStore(Refunds().agent(), "s-1")
    state = await paused()
    assert [await store.save(state), await store.save(state)] == [1, 1]
    state.approve(state.get_interruptions()[0])
    assert await store.save(state) == 2
    assert await RunStateStore(store.agent, "s-1").save(state) == 2


async def test_a_loaded_state_is_the_saved_one() -> None:
    store = RunStateStore(Refunds().agent(), "s-1")
    state = await paused()
    state.reject(state.get_interruptions()[0], rejection_message="Not today")
    await store.save(state)
    loaded = await RunStateStore(Refunds().agent(), "s-1").load()
    assert loaded.to_json() == state.to_json()


async def test_an_older_version_can_still_be_read() -> None:
    store = RunStateStore(Refunds().agent(), "s-1")
    state = await paused()
    await store.save(state)
    state.approve(state.get_interruptions()[0])
    await store.save(state)
    old = await store.load(version=1)
    assert old.get_interruptions()
    with pytest.raises(StateConflictError, match="newer version"):
        await run_agent(store.agent, old)
    with pytest.raises(RunStateNotFoundError, match="version 7"):
        await store.load(version=7)


async def test_what_a_newer_sdk_wrote_is_loaded_from_the_document_for_both_languages(
    database_url: str,
) -> None:
    refunds = Refunds()
    store = RunStateStore(refunds.agent(), "s-1")
    await store.save(await paused(store.agent))
    newer = "update timestep.run_states set native_schema_version = '1.99', native = '{}'"
    execute(database_url, newer)
    state = await store.load()
    state.approve(state.get_interruptions()[0])
    assert (await run_agent(store.agent, state)).final_output == "Done."
    assert refunds.done == ["refund 4711"]


async def test_a_session_without_a_saved_run_is_named_with_its_database() -> None:
    store = RunStateStore(Refunds().agent(), "nowhere")
    with pytest.raises(RunStateNotFoundError, match=r"session nowhere.*PG_CONNECTION_URI"):
        await store.load()


async def test_after_clear_nothing_is_there(database_url: str) -> None:
    async with RunStateStore(Refunds().agent(), "s-1") as store:
        await store.save(await paused())
        await store.clear()
        with pytest.raises(RunStateNotFoundError):
            await store.load()
    assert execute(database_url, "select count(*) from timestep.approvals") == [(0,)]


async def test_a_closed_store_opens_again() -> None:
    store = RunStateStore(Refunds().agent(), "s-1")
    await store.save(await paused())
    await store.close()
    await store.close()
    assert (await store.load()).get_interruptions()


async def test_a_state_that_another_process_moved_on_is_not_saved() -> None:
    agent = Refunds().agent()
    mine, theirs = RunStateStore(agent, "s-1"), RunStateStore(agent, "s-1")
    await mine.save(await paused())
    one, other = await mine.load(), await theirs.load()
    one.approve(one.get_interruptions()[0])
    await mine.save(one)
    other.reject(other.get_interruptions()[0])
    with pytest.raises(StateConflictError, match="Cannot save version 1"):
        await theirs.save(other)
    assert len(await asyncio.gather(mine.load(), theirs.load())) == 2


async def test_save_takes_a_state_only() -> None:
    result = await run_agent(Refunds().agent(), "Refund 4711")
    with pytest.raises(ConfigurationError, match=r"pass result.to_state\(\)"):
        await RunStateStore(Refunds().agent()).save(result)


async def test_the_approval_that_is_asked_for_is_a_row(database_url: str) -> None:
    await RunStateStore(Refunds().agent(), "s-1").save(await paused())
    rows = execute(
        database_url,
        "select session_id, version, kind, agent, tool, arguments, status from timestep.approvals",
    )
    assert rows == [
        ("s-1", 1, "function", "assistant", "send_refund", '{"order":"4711"}', "pending")
    ]


async def test_the_row_tells_what_the_run_is_about(database_url: str) -> None:
    await RunStateStore(Refunds().agent(), "s-1").save(await paused())
    assert execute(
        database_url,
        "select status, run_status, agent, turn, requests, writer_language,"
        " total_tokens = input_tokens + output_tokens and total_tokens > 0"
        " from timestep.run_states",
    ) == [("saved", "interrupted", "assistant", 1, 1, "python", True)]


async def test_a_call_that_waits_in_two_runs_is_saved_undecided_and_never_approved(
    model: ModelServer, database_url: str
) -> None:
    refunds = Refunds()
    helper = refunds.agent().as_tool("ask_assistant", "Ask for a refund")
    desk = Agent(name="desk", model="gpt-4.1", tools=[helper])
    ask = {"type": "function_call", "name": "ask_assistant", "arguments": {"input": "4711"}}
    twin = turn({**ASK, "call_id": "call_1"})
    model.script("refunds", [turn(ask, ask), twin, twin])
    store = RunStateStore(desk, "s-1")

    await store.save(await paused(desk))
    loaded = await store.load()

    statuses = "select arguments, status from timestep.approvals"
    assert execute(database_url, statuses) == [('{"order":"4711"}', "pending")] * 2
    for interruption in loaded.get_interruptions():
        with pytest.raises(UserError, match="unique call IDs"):
            loaded.approve(interruption)
    with pytest.raises(UserError, match="unique call IDs"):
        await run_agent(desk, loaded)
    assert refunds.done == []
    assert len((await store.load()).get_interruptions()) == 2


async def test_a_run_whose_tool_is_gone_is_not_loaded() -> None:
    await RunStateStore(Refunds().agent(), "s-1").save(await paused())
    with pytest.raises(AgentMismatchError, match="send_refund"):
        await RunStateStore(Agent(name="assistant"), "s-1").load()


async def test_a_run_whose_agent_has_another_name_is_not_loaded() -> None:
    await RunStateStore(Refunds().agent(), "s-1").save(await paused())
    other = Agent(name="helper", tools=[*Refunds().tools()])
    with pytest.raises(AgentMismatchError, match=r"'assistant'.*helper"):
        await RunStateStore(other, "s-1").load()


async def test_a_run_whose_tool_takes_other_arguments_is_not_loaded() -> None:
    await RunStateStore(Refunds().agent(), "s-1").save(await paused())

    @function_tool(needs_approval=True)
    def send_refund(order: str, cents: int) -> str:
        return f"{order} {cents}"

    with pytest.raises(AgentMismatchError, match=r"(?s)order: string.*cents: "):
        await RunStateStore(Agent(name="assistant", tools=[send_refund]), "s-1").load()


@dataclass
class Customer:
    name: str
    tries: int = 0


async def test_a_context_of_any_kind_travels_with_its_serializer() -> None:
    store = RunStateStore(
        Refunds().agent(),
        "s-1",
        context_serializer=asdict,
        context_deserializer=lambda saved: Customer(**saved),
    )
    await store.save(await paused(context=Customer("Ann", 2)))
    state = await store.load()
    assert state._context is not None
    assert state._context.context == Customer("Ann", 2)


async def test_a_context_given_at_load_takes_the_place_of_the_saved_one() -> None:
    store = RunStateStore(Refunds().agent(), "s-1")
    await store.save(await paused(context={"name": "Ann"}))
    state: RunState[Any, Any] = await store.load(context={"name": "Bob"})
    assert state._context is not None
    assert state._context.context == {"name": "Bob"}


class Till:
    """A context that the SDK has no form for."""


async def test_a_context_that_cannot_be_saved_is_left_out_and_has_to_be_given_again(
    database_url: str,
) -> None:
    refunds, till = Refunds(), Till()
    store = RunStateStore(refunds.agent(), "s-1")
    await store.save(await paused(store.agent, context=till))
    sql = "select envelope, not_portable_reason from timestep.run_states"
    [(envelope, reason)] = execute(database_url, sql)
    assert envelope is None
    assert "Till" in reason
    assert "context_serializer" in reason

    with pytest.raises(ConfigurationError, match=r"Till.*load\(context=…\)"):
        await store.load()
    state = await store.load(context=till)
    assert state._context is not None
    assert state._context.context is till
    state.approve(state.get_interruptions()[0])
    assert (await run_agent(store.agent, state)).final_output == "Done."
    assert refunds.done == ["refund 4711"]


async def test_a_context_that_is_given_again_reaches_nested_runs(model: ModelServer) -> None:
    seen: list[object] = []

    @function_tool(needs_approval=True)
    def send_refund(context: RunContextWrapper[Till], order: str) -> str:
        seen.append(context.context)
        return f"refunded {order}"

    assistant = Agent(name="assistant", model="gpt-4.1", tools=[send_refund])
    desk = Agent(name="desk", model="gpt-4.1", tools=[assistant.as_tool("ask_assistant", "Ask")])
    ask = {"type": "function_call", "name": "ask_assistant", "arguments": {"input": "4711"}}
    model.script("refunds", [turn(ask), turn(ASK), turn(DONE), turn(DONE)])
    store = RunStateStore(desk, "s-1")
    await store.save(await paused(desk, context=Till()))
    till = Till()
    state = await store.load(context=till)
    state.approve(state.get_interruptions()[0])
    assert (await run_agent(desk, state)).final_output == "Done."
    assert seen == [till]


async def test_a_number_that_json_cannot_say_is_refused_by_its_path() -> None:
    state = await paused(context={"scores": [1, math.inf]})
    with pytest.raises(ValueError, match=r"context\.scores\[1\]"):
        await RunStateStore(Refunds().agent(), "s-1").save(state)


async def test_what_only_python_can_resume_is_saved_with_the_reason(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    refunds = Refunds()
    twin = Agent(name="assistant", handoff_description="another of the same name")
    store = RunStateStore(refunds.agent(handoffs=[twin]), "s-1")
    state = await paused(store.agent)
    await store.save(state)
    (reason, envelope), *_ = execute(
        database_url, "select not_portable_reason, envelope from timestep.run_states"
    )
    assert envelope is None
    assert "assistant" in reason
    assert reason in caplog.text
    loaded = await store.load()
    loaded.approve(loaded.get_interruptions()[0])
    assert (await run_agent(store.agent, loaded)).final_output == "Done."

    execute(
        database_url, "update timestep.run_states set status='saved', writer_language='typescript'"
    )
    with pytest.raises(NotPortableError, match="assistant"):
        await store.load()


async def test_keys_and_headers_of_hosted_servers_are_not_saved(
    model: ModelServer, database_url: str
) -> None:
    from agents import HostedMCPTool

    request = {
        "type": "mcp_approval_request",
        "id": "mcpr_1",
        "server_label": "shop",
        "name": "refund",
        "arguments": "{}",
    }
    model.script("refunds", [turn(request), turn(DONE)])
    tool = HostedMCPTool(
        tool_config={
            "type": "mcp",
            "server_label": "shop",
            "server_url": "https://shop.example/mcp",
            "authorization": "very-secret",
            "headers": {"X-Key": "very-secret"},
            "require_approval": "always",
        }
    )
    store = RunStateStore(Agent(name="assistant", model="gpt-4.1", tools=[tool]), "s-1")
    await store.save(await paused(store.agent))
    rows = execute(database_url, "select native, envelope from timestep.run_states")
    assert "very-secret" not in json.dumps(rows)
    state = await store.load()
    state.approve(state.get_interruptions()[0])
    assert (await run_agent(store.agent, state)).final_output == "Done."
    assert "very-secret" in model.requests("refunds")[-1]["body"]
