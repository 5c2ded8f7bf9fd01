"""run_agent: what it takes, what it returns, and what becomes of a saved run."""

import asyncio
import json
from typing import Any

import pytest
from agents import (
    GuardrailFunctionOutput,
    MaxTurnsExceeded,
    OutputGuardrailTripwireTriggered,
    RunConfig,
    RunHooks,
    RunResult,
    RunResultStreaming,
    SQLiteSession,
    output_guardrail,
)
from openai import BadRequestError
from support.postgres import execute
from support.refunds import ASK, BROKEN, DONE, NOTE, NOTE_AGAIN, Refunds, turn
from support.waiting import until
from timestep import (
    RunStateNotFoundError,
    RunStateStore,
    Session,
    StateConflictError,
    default_result_processor,
    run_agent,
)
from timestep.run_state import claim
from timestep.testing import ModelServer

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("model")]
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


async def paused(refunds: Refunds, *, stream: bool = False) -> tuple[Session, RunStateStore]:
    """Run to the pause and save it."""
    session = Session()
    store = RunStateStore(refunds.agent(), session.session_id)
    result = await run_agent(store.agent, "Refund 4711", session, stream)
    assert await store.save(result.to_state()) == 1
    return session, store


async def approved(store: RunStateStore) -> Any:
    state = await store.load()
    for interruption in state.get_interruptions():
        state.approve(interruption)
    return state


def statuses(database_url: str) -> list[str]:
    rows = execute(database_url, "select status from timestep.run_states order by version")
    return [status for (status,) in rows]


def kinds(items: list[Any]) -> list[str]:
    return [item.get("type") or item["role"] for item in items]


@both_ways
async def test_text_gives_the_sdks_own_result(model: ModelServer, stream: bool) -> None:
    model.script("refunds", [turn(DONE)])
    result = await run_agent(Refunds().agent(), "Hello", None, stream)
    assert type(result) is (RunResultStreaming if stream else RunResult)
    assert result.final_output == "Done."


async def test_items_are_sent_as_they_are(model: ModelServer) -> None:
    model.script("refunds", [turn(DONE)])
    items: Any = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    await run_agent(Refunds().agent(), items)
    assert json.loads(model.requests("refunds")[0]["body"])["input"] == items


async def test_an_approved_call_runs_once_and_the_run_is_done(
    model: ModelServer, database_url: str
) -> None:
    model.script("refunds", [turn(ASK), turn(DONE)])
    refunds = Refunds()
    session, store = await paused(refunds)
    result = await run_agent(store.agent, await approved(store), session)
    assert (result.final_output, refunds.done) == ("Done.", ["refund 4711"])
    assert kinds(await session.get_items()) == [
        "user",
        "function_call",
        "function_call_output",
        "message",
    ]
    assert execute(database_url, "select status from timestep.run_states") == [("done",)]
    assert execute(database_url, "select tool, arguments, status from timestep.approvals") == [
        ("send_refund", '{"order":"4711"}', "approved")
    ]
    with pytest.raises(RunStateNotFoundError, match="its last run has ended"):
        await store.load()


@both_ways
async def test_of_two_who_resume_one_version_the_second_is_refused(
    model: ModelServer, stream: bool
) -> None:
    model.script("refunds", [turn(ASK), turn(DONE)])
    refunds = Refunds()
    session, store = await paused(refunds, stream=stream)
    first, second = await approved(store), await approved(store)
    await run_agent(store.agent, first, session, stream)
    with pytest.raises(StateConflictError, match="resumed already"):
        await run_agent(store.agent, second, session, stream)
    assert refunds.done == ["refund 4711"]


async def test_a_run_under_way_cannot_be_resumed_a_second_time(model: ModelServer) -> None:
    model.script("refunds", [turn(ASK), {**turn(DONE), "hold": "answer"}])
    refunds = Refunds()
    session, store = await paused(refunds)
    second = await approved(store)
    run = asyncio.create_task(run_agent(store.agent, await approved(store), session))
    await asyncio.to_thread(model.wait_until_held, "refunds", "answer")
    with pytest.raises(StateConflictError, match="right now"):
        await run_agent(store.agent, second, session)
    model.release("refunds", "answer")
    assert (await run).final_output == "Done."
    assert refunds.done == ["refund 4711"]


@both_ways
async def test_the_next_pause_is_saved_by_itself(model: ModelServer, stream: bool) -> None:
    again = {**ASK, "arguments": {"order": "4712"}}
    model.script("refunds", [turn(ASK), turn(again), turn(DONE)])
    refunds = Refunds()
    session, store = await paused(refunds)
    result = await run_agent(store.agent, await approved(store), session, stream)
    assert len(result.interruptions) == 1
    assert await store.save(result.to_state()) == 2  # the version that is there already
    state = await RunStateStore(store.agent, session.session_id).load()
    state.approve(state.get_interruptions()[0])
    result = await run_agent(store.agent, state, session, stream)
    assert result.final_output == "Done."
    assert refunds.done == ["refund 4711", "refund 4712"]


async def test_a_state_saved_and_resumed_in_memory_is_done_for_everybody(
    model: ModelServer,
) -> None:
    model.script("refunds", [turn(ASK), turn(DONE)])
    refunds = Refunds()
    store = RunStateStore(refunds.agent())
    result = await run_agent(store.agent, "Refund 4711")
    state = result.to_state()
    await store.save(state)
    state.approve(state.get_interruptions()[0])
    await run_agent(store.agent, state)
    with pytest.raises(RunStateNotFoundError):
        await store.load()


@both_ways
@pytest.mark.parametrize("later_turns", [0, 1, 2])
async def test_calls_that_ran_do_not_run_again_after_an_error(
    model: ModelServer, stream: bool, later_turns: int
) -> None:
    notes = [turn(NOTE_AGAIN)] * later_turns
    model.script("refunds", [turn(ASK, NOTE), *notes, BROKEN, turn(DONE)])
    refunds = Refunds()
    session, store = await paused(refunds)
    with pytest.raises(BadRequestError, match="boom"):
        await run_agent(store.agent, await approved(store), session, stream)
    result = await run_agent(store.agent, await store.load(), session, stream)
    assert result.final_output == "Done."
    assert sorted(refunds.done) == ["note first", *["note second"] * later_turns, "refund 4711"]
    items = await session.get_items()
    calls = [i["call_id"] for i in items if i.get("type") == "function_call"]
    outputs = [i["call_id"] for i in items if i.get("type") == "function_call_output"]
    assert sorted(calls) == sorted(outputs)
    assert len(set(calls)) == len(calls) == 2 + later_turns
    bodies = [json.loads(r["body"])["input"] for r in model.requests("refunds")]
    assert bodies[-1] == bodies[-2]  # the model is asked again what it was asked when it failed


async def test_too_many_turns_after_a_pause_keep_what_was_done(model: ModelServer) -> None:
    model.script("refunds", [turn(ASK), turn(NOTE), turn(DONE)])
    refunds = Refunds()
    session, store = await paused(refunds)
    state = await approved(store)
    state._max_turns = 1
    with pytest.raises(MaxTurnsExceeded):
        await run_agent(store.agent, state, session, max_turns=1)
    assert refunds.done == ["refund 4711"]
    assert not (await store.load()).get_interruptions()


@both_ways
async def test_a_cancelled_run_can_go_on(
    model: ModelServer, database_url: str, stream: bool
) -> None:
    model.script("refunds", [turn(ASK), {**turn(DONE), "hold": "answer"}, turn(DONE)])
    refunds = Refunds()
    session, store = await paused(refunds)
    run = asyncio.create_task(run_agent(store.agent, await approved(store), session, stream))
    await asyncio.to_thread(model.wait_until_held, "refunds", "answer")
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    model.release("refunds", "answer")
    # The task behind a stream lets go of its claim a moment later.
    await asyncio.to_thread(until, lambda: statuses(database_url)[-1] == "saved")
    result = await run_agent(store.agent, await store.load(), session, stream)
    assert (result.final_output, refunds.done) == ("Done.", ["refund 4711"])


async def test_a_run_that_was_taken_over_stops_and_writes_nothing(
    model: ModelServer, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "RENEW_SECONDS", 0.05)
    model.script("refunds", [turn(ASK), {**turn(DONE), "hold": "answer"}, turn(DONE)])
    refunds = Refunds()
    session, store = await paused(refunds)
    run = asyncio.create_task(run_agent(store.agent, await approved(store), session))
    await asyncio.to_thread(model.wait_until_held, "refunds", "answer")
    execute(
        database_url,
        "update timestep.run_states set claim_token = gen_random_uuid() where status = 'claimed'",
    )
    with pytest.raises(StateConflictError, match="was lost"):
        await run
    model.release("refunds", "answer")
    assert execute(database_url, "select count(*), max(version) from timestep.run_states") == [
        (1, 1)
    ]


async def test_the_lease_of_a_dead_process_is_taken_over_without_its_items(
    model: ModelServer, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    model.script("refunds", [turn(ASK), turn(DONE)])
    refunds = Refunds()
    session, store = await paused(refunds)
    dead = "00000000-0000-4000-8000-000000000001"
    execute(
        database_url,
        f"update timestep.run_states set status = 'claimed', claim_token = '{dead}',"
        " claim_expires_at = now() - interval '1 second'",
        "insert into timestep.session_items"
        " (session_id, append_key, append_position, written_by, type, document)"
        f" values ('{session.session_id}', 'k', 1, '{dead}', 'message', '{{}}')",
    )
    result = await run_agent(store.agent, await approved(store), session)
    assert result.final_output == "Done."
    assert kinds(await session.get_items()) == [
        "user",
        "function_call",
        "function_call_output",
        "message",
    ]
    assert "may be made again" in caplog.text


async def test_without_a_processor_the_stream_is_the_callers(
    model: ModelServer, database_url: str
) -> None:
    model.script("refunds", [turn(ASK), turn(DONE)])
    refunds = Refunds()
    session, store = await paused(refunds)
    result = await run_agent(store.agent, await approved(store), session, True, None)
    assert not result.is_complete
    assert [e async for e in result.stream_events()]
    assert result.final_output == "Done."
    await asyncio.to_thread(until, lambda: statuses(database_url) == ["done"])


async def test_what_a_processor_returns_is_returned(model: ModelServer) -> None:
    model.script("refunds", [turn(DONE)] * 3)
    agent = Refunds().agent()
    assert await run_agent(agent, "Hi", result_processor=lambda result: result.final_output) == (
        "Done."
    )
    seen = []
    result = await run_agent(agent, "Hi", result_processor=seen.append)
    assert seen == [result]

    async def last_event(result: RunResultStreaming) -> str:
        return [event.type async for event in result.stream_events()][-1]

    assert await run_agent(agent, "Hi", None, True, last_event) == "run_item_stream_event"


async def test_the_sdks_options_and_hooks_are_passed_on(model: ModelServer) -> None:
    class Heard(RunHooks):
        def __init__(self) -> None:
            self.events: list[str] = []

        async def on_llm_start(self, *_: Any) -> None:
            self.events.append("llm")

        async def on_tool_end(self, *_: Any) -> None:
            self.events.append("tool")

        async def on_agent_end(self, *_: Any) -> None:
            self.events.append("end")

    model.script("refunds", [turn(ASK), turn(DONE)])
    refunds, heard = Refunds(), Heard()
    session, store = await paused(refunds)
    config = RunConfig(call_model_input_filter=lambda data: data.model_data)
    await run_agent(
        store.agent, await approved(store), session, hooks=heard, run_config=config, max_turns=5
    )
    assert heard.events == ["tool", "llm", "end"]


async def test_the_sdks_own_sessions_work(model: ModelServer) -> None:
    model.script("refunds", [turn(ASK), turn(DONE)])
    refunds = Refunds()
    session = SQLiteSession("any")
    store = RunStateStore(refunds.agent(), "any")
    result = await run_agent(store.agent, "Refund 4711", session)
    await store.save(result.to_state())
    result = await run_agent(store.agent, await approved(store), session)
    assert (result.final_output, len(await session.get_items())) == ("Done.", 4)
    session.close()


async def test_the_default_processor_raises_what_the_stream_raises(model: ModelServer) -> None:
    model.script("refunds", [BROKEN])
    result = await run_agent(Refunds().agent(), "Hi", None, True, None)
    with pytest.raises(BadRequestError, match="boom"):
        await default_result_processor(result)


@both_ways
async def test_a_run_whose_output_a_guardrail_refused_has_ended(
    model: ModelServer, stream: bool
) -> None:
    @output_guardrail
    async def never(*_: Any) -> GuardrailFunctionOutput:
        return GuardrailFunctionOutput(output_info=None, tripwire_triggered=True)

    model.script("refunds", [turn(ASK), turn(DONE)])
    refunds = Refunds()
    agent = refunds.agent(output_guardrails=[never])
    store = RunStateStore(agent)
    await store.save((await run_agent(agent, "Refund 4711")).to_state())
    with pytest.raises(OutputGuardrailTripwireTriggered):
        await run_agent(agent, await approved(store), None, stream)
    with pytest.raises(RunStateNotFoundError, match="has ended"):
        await store.load()
    assert refunds.done == ["refund 4711"]
