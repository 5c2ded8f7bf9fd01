"""A process that executes durable runs, as a user would write it, and may kill itself.

Usage: worker.py <command> <JSON>. The answer is one line of JSON on standard output.
What its tools do is appended to the file EFFECTS, one line per start and end of a call.
KILL names the moment at which the process kills itself with SIGKILL:
"before:<n>" and "after:<n>" the n-th statement to the database since the run began,
"inside:<n>" the n-th call of a tool.
"""

import asyncio
import json
import logging
import os
import signal
import sys
import traceback
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import mcp.types
import psycopg
from agents import (
    Agent,
    GuardrailFunctionOutput,
    RunContextWrapper,
    RunHooks,
    Runner,
    ShellTool,
    SQLiteSession,
    function_tool,
    input_guardrail,
    set_tracing_disabled,
)
from agents.mcp import MCPServer
from agents.models.openai_responses import OpenAIResponsesModel
from openai import AsyncOpenAI
from support.waiting import until
from timestep import Session
from timestep.database import Database
from timestep.database.pipeline import Pipeline
from timestep.durable.approvals import decide_approval
from timestep.durable.configuration import configure_dbos
from timestep.durable.endings import cancel_run, delete_runs
from timestep.durable.launch import ensure_dbos_launched
from timestep.durable.queue import queue_agent_workflow
from timestep.durable.rate_limit import ModelRateLimit, set_rate_limit
from timestep.durable.reading import get_run, list_approvals, list_run_steps, list_runs
from timestep.durable.resuming import RunHandle, resume_run
from timestep.durable.runs import run_agent_workflow
from timestep.durable.schedule import create_scheduled_agent_workflow, delete_schedule
from timestep.durable.tools import durable_tool, idempotency_key
from timestep.errors import ApprovalConflictError, NotDurableError


def tell(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def effects_file() -> Path:
    return Path(os.environ["EFFECTS"])


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Countdown:
    """Kills this process at the moment that KILL names."""

    def __init__(self, moment: str | None) -> None:
        self.what, _, number = (moment or "never:0").partition(":")
        self.left = int(number)

    def at(self, what: str) -> None:
        if what == self.what:
            self.left -= 1
            if self.left == 0:
                die()


kill = Countdown(None)
QUEUES: Any = {"narrow": {"concurrency": 1, "polling_seconds": 0.05}}


def effect(what: str, tool: str, context: RunContextWrapper[Any], value: object) -> None:
    line = json.dumps([what, tool, idempotency_key(context), value, os.getpid()])
    with effects_file().open("a") as file:
        file.write(line + "\n")


def done(tool: str, context: RunContextWrapper[Any], value: object) -> None:
    effect("start", tool, context, value)
    kill.at("inside")
    effect("end", tool, context, value)


@function_tool
async def look(context: RunContextWrapper[Any], n: int) -> dict[str, int]:
    done("look", context, n)
    return {"found": n}


@durable_tool(at_most_once=True)
@function_tool
async def mail(context: RunContextWrapper[Any], n: int) -> str:
    done("mail", context, n)
    return f"sent {n}"


@function_tool(needs_approval=True)
async def refund(context: RunContextWrapper[Any], n: int) -> str:
    done("refund", context, n)
    return f"refunded {n}"


@function_tool
async def fetch(context: RunContextWrapper[Any], n: int) -> str:
    done("fetch", context, n)
    return f"fetched {n}"


@function_tool
async def slow(context: RunContextWrapper[Any], seconds: float) -> str:
    effect("start", "slow", context, seconds)
    await asyncio.sleep(seconds)
    effect("end", "slow", context, seconds)
    return "slept"


@durable_tool(at_most_once=True, when_unknown="ask")
@function_tool
async def pay(context: RunContextWrapper[Any], n: int) -> str:
    done("pay", context, n)
    return f"paid {n}"


@durable_tool(at_most_once=True, when_unknown="ask")
@function_tool(needs_approval=True)
async def transfer(context: RunContextWrapper[Any], n: int) -> str:
    done("transfer", context, n)
    return f"transferred {n}"


@function_tool(needs_approval=True)
async def risky(context: RunContextWrapper[Any], n: int) -> str:
    done("risky", context, n)
    return f"risked {n}"


billing = Agent(name="billing", instructions="You do billing.", tools=[look, mail, refund])
researcher = Agent(
    name="researcher", instructions="You research.", tools=[fetch, risky, pay, transfer]
)
triage = Agent(
    name="triage",
    instructions="You do triage.",
    tools=[
        look,
        mail,
        refund,
        slow,
        pay,
        transfer,
        researcher.as_tool(tool_name="research", tool_description="Finds out."),
    ],
    handoffs=[billing],
)


@function_tool
async def ask(context: RunContextWrapper[Any]) -> str:
    result = await Runner.run(Agent(name="helper"), "?")
    return result.final_output


@input_guardrail
async def decency(*_: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(output_info="indecent", tripwire_triggered=True)


guarded = Agent(name="guarded", input_guardrails=[decency])


async def fail(*, how: str) -> list[Any]:
    """Run into an error twice by one name of a run; the second time it is told from the row."""
    told: list[Any] = []
    agent, options = {
        "turns": (triage, {"max_turns": 1}),
        "guardrail": (guarded, {}),
        "model": (triage, {}),
    }[how]
    for _ in range(2):
        try:
            await run_agent_workflow(agent, "please", workflow_id="w", **options)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            told.append([type(error).__name__, str(error)])
            result = getattr(error, "guardrail_result", None)
            told[-1].append(result and result.guardrail.get_name())
    return told


async def read(*, workflow_id: str) -> dict[str, Any]:
    """Look at a run and its steps."""
    run = await get_run(workflow_id)
    assert run is not None
    steps = await list_run_steps(workflow_id)
    outputs = [
        step.output if step.kind == "tool" else [item["type"] for item in step.output]  # type: ignore[index,union-attr]
        for step in steps
    ]
    times = [run.created_at, run.finished_at, *(step.finished_at for step in steps)]
    return {
        "run": {"input": run.input, "output": run.output, "options": run.options},
        "outputs": outputs,
        "utc": all(time is not None and time.tzinfo is UTC for time in times),
        "nothing": await get_run("nothing"),
    }


async def with_new_session(*, workflow_id: str) -> list[str]:
    """Run with a session that is made without an id, as a program does that starts again."""
    session = Session()
    await run_agent_workflow(triage, "please", session, workflow_id=workflow_id)
    items = await session.get_items()
    return [session.session_id, *(item["role"] for item in items)]


class Shelf(MCPServer):
    """A local MCP server with one tool."""

    name = "shelf"

    async def connect(self) -> None: ...

    async def cleanup(self) -> None: ...

    async def list_tools(self, *_: Any) -> list[mcp.types.Tool]:
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
        return [mcp.types.Tool(name="shelve", inputSchema=schema)]

    async def call_tool(self, name: str, arguments: Any, meta: Any = None) -> Any:
        with effects_file().open("a") as file:
            file.write(json.dumps(["end", name, None, arguments["n"], os.getpid()]) + "\n")
        kill.at("inside")
        text = mcp.types.TextContent(type="text", text=f"shelved {arguments['n']}")
        return mcp.types.CallToolResult(content=[text])

    async def list_prompts(self) -> Any: ...

    async def get_prompt(self, name: str, arguments: Any = None) -> Any: ...


async def librarian(*, workflow_id: str, stream: bool = False) -> dict[str, Any]:
    """Run an agent with a model object, a local MCP server, and a tool that runs an agent."""
    model = OpenAIResponsesModel("gpt-object", openai_client=AsyncOpenAI())
    agent = Agent(name="librarian", model=model, tools=[ask], mcp_servers=[Shelf()])
    result = await run_agent_workflow(agent, "please", workflow_id=workflow_id, stream=stream)
    return answer(result)


class Turns(RunHooks[Any]):
    """Counts the model calls that this process's loops came to, recorded ones included."""

    count = 0

    async def on_llm_start(self, *_: Any, **__: Any) -> None:
        self.count += 1


turns = Turns()


def count_statements() -> None:
    """Count statements from now on, for KILL."""
    fetch_sync = Database.fetch_sync

    def counted(self: Database, statement: str, *values: object, **options: Any) -> Any:
        if "keep_executor" in statement or "adopt" in statement or "expire_approvals" in statement:
            return fetch_sync(self, statement, *values, **options)
        kill.at("before")
        rows = fetch_sync(self, statement, *values, **options)
        kill.at("after")
        return rows

    Database.fetch_sync = counted  # type: ignore[method-assign]
    send = Pipeline.send

    def sent(self: Pipeline, statement: bytes, rows: Any, answered: Any) -> None:
        def answered_counted(answers: Any) -> None:
            kill.at("after")
            answered(answers)

        kill.at("before")
        send(self, statement, rows, answered_counted)

    Pipeline.send = sent  # type: ignore[method-assign]


async def run(
    *,
    workflow_id: str,
    session_id: str | None = None,
    approve: bool = True,
    stream: bool = False,
    timeout_seconds: float | None = None,
    text: str = "please",
    approval_seconds: float | None = None,
    watched: bool = True,
) -> dict[str, Any]:
    count_statements()
    result = await run_agent_workflow(
        agent=triage,
        input_items=text,
        session=Session(session_id) if session_id else None,
        workflow_id=workflow_id,
        stream=stream,
        timeout_seconds=timeout_seconds,
        approval_seconds=approval_seconds,
        hooks=turns if watched else None,
    )
    while approve and result.status == "interrupted":
        for approval in await list_approvals(run_id=workflow_id):
            await decide_approval(approval.approval_id, approve=True, decided_by="worker")
        result = await (await resume_run(workflow_id)).get_result()
    return answer(result)


async def wait(*, workflow_id: str) -> dict[str, Any]:
    return answer(await RunHandle(workflow_id).get_result())


async def decide(*, workflow_id: str, **decision: Any) -> dict[str, Any]:
    """Decide alike on all that a run waits for, once, and let it go on."""
    for approval in await list_approvals(run_id=workflow_id):
        await decide_approval(approval.approval_id, **decision)
    return answer(await (await resume_run(workflow_id)).get_result())


async def decide_at_once(*, workflow_id: str) -> dict[str, Any]:
    """Decide before DBOS could note that the run has paused, and let it go on."""
    asked_for = asyncio.create_task(run_agent_workflow(triage, "please", workflow_id=workflow_id))
    lock = "select 1 from dbos.workflow_status where workflow_uuid = %s for update"
    url = os.environ["PG_CONNECTION_URI"]
    async with await psycopg.AsyncConnection.connect(url) as connection:
        while (await connection.execute(lock, [workflow_id])).rowcount == 0:  # noqa: ASYNC110 - rows
            await asyncio.sleep(0.01)
        while not (waiting := await list_approvals(run_id=workflow_id)):  # noqa: ASYNC110 - rows
            await asyncio.sleep(0.01)
        await decide_approval(waiting[0].approval_id, approve=True)
        result = await (await resume_run(workflow_id)).get_result()
    await asked_for
    return answer(result)


async def by_state(
    *, workflow_id: str, reject: list[str] | None = None, message: str | None = "No, thank you."
) -> dict[str, Any]:
    """Decide on the state in memory and go on from it."""
    result = await RunHandle(workflow_id).get_result()
    while result.status == "interrupted":
        state = result.to_state()
        for item in state.get_interruptions():
            if item.call_id in (reject or []):
                state.reject(item, rejection_message=message)
            else:
                state.approve(item)
        result = await run_agent_workflow(agent=triage, input_items=state)
    return answer(result)


async def serve(*, seconds: float = 60) -> dict[str, Any]:
    """Execute what comes until standard input says no more, that is: until killed."""
    tell("ready")
    await asyncio.sleep(seconds)
    return {}


async def queue(
    *, ids: list[str], wait: bool = True, priorities: list[int] | None = None, **options: Any
) -> list[dict[str, Any]]:
    handles = []
    for number, run_id in enumerate(ids):
        priority = priorities[number] if priorities else None
        handles.append(
            await queue_agent_workflow(
                triage, "please", workflow_id=run_id, priority=priority, **options
            )
        )
    if not wait:
        return [{"run_id": handle.run_id} for handle in handles]
    return [answer(await handle.get_result()) for handle in handles]


async def limited(
    *, ids: list[str], requests: int, seconds: float, workers: int
) -> list[dict[str, Any]]:
    # what a process does at its first model call only would delay calls beyond their time
    await run_agent_workflow(triage, "warming up")
    # the limit of one worker is not for the first call of another
    while len(await list_runs(status="completed")) < workers:  # noqa: ASYNC110 - other processes
        await asyncio.sleep(0.02)
    limit = ModelRateLimit(requests=requests, per=timedelta(seconds=seconds))
    await set_rate_limit("openai", limit)
    runs = (run_agent_workflow(triage, "please", workflow_id=each) for each in ids)
    return [answer(result) for result in await asyncio.gather(*runs)]


async def edited(*, workflow_id: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Let a run go on with other arguments than the model's; of two decisions one counts."""
    (approval,) = await list_approvals(run_id=workflow_id)
    await decide_approval(approval.approval_id, approve=True, arguments=arguments)
    conflict = ""
    try:
        await decide_approval(approval.approval_id, approve=False, decided_by="late")
    except ApprovalConflictError as error:
        conflict = str(error)
    handles = await asyncio.gather(resume_run(workflow_id), resume_run(workflow_id))
    results = [answer(await handle.get_result()) for handle in handles]
    assert {**results[0], "turns": 0} == {**results[1], "turns": 0}
    return {**results[0], "conflict": conflict}


async def removed(*, workflow_id: str, session_id: str | None = None) -> dict[str, Any]:
    """Run, and remove what has ended."""
    result = await run(workflow_id=workflow_id, session_id=session_id)
    return {**result, "removed": await delete_runs(older_than=timedelta(0))}


async def shell_inside(*, workflow_id: str) -> dict[str, Any]:
    """Run an agent whose tool runs one that cannot be recorded."""
    helper = Agent(name="helper", tools=[ShellTool(executor=lambda _: "")])

    @function_tool
    async def ask_shell() -> str:
        return (await Runner.run(helper, "?")).final_output

    agent = Agent(name="caller", tools=[ask_shell])
    return answer(await run_agent_workflow(agent, "please", workflow_id=workflow_id))


async def refused() -> dict[str, str]:
    """Ask for runs that cannot be recorded."""
    shell = Agent(name="shell", tools=[ShellTool(executor=lambda _: "")])
    outer = Agent(name="outer", handoffs=[shell])
    given: dict[str, dict[str, Any]] = {
        "tool": {"agent": outer, "input_items": "x"},
        "session": {"agent": billing, "input_items": "x", "session": SQLiteSession("s")},
        "context": {"agent": billing, "input_items": "x", "context": object()},
    }
    messages: dict[str, str] = {}
    for name, arguments in given.items():
        try:
            await run_agent_workflow(**arguments)
        except NotDurableError as error:
            messages[name] = str(error)
    return messages


async def schedule(*, names: list[str], runs: int) -> list[str]:
    for name in names:
        create_scheduled_agent_workflow(
            crontab="* * * * * *", agent=triage, input_items="tick", name=name
        )
    while True:
        found = await list_runs(status="completed")
        if all(sum(r.schedule == name for r in found) >= runs for name in names):
            break
        await asyncio.sleep(0.2)
    for name in names:
        assert await delete_schedule(name)
    return sorted(run.run_id for run in found)


async def cancelled(*, workflow_id: str) -> dict[str, Any]:
    """Cancel a run while a tool of it is under way."""
    task = asyncio.create_task(run_agent_workflow(triage, "please", workflow_id=workflow_id))
    await asyncio.to_thread(until, lambda: effects_file().stat().st_size)
    assert await cancel_run(workflow_id)
    assert not await cancel_run(workflow_id)
    return answer(await task)


def answer(result: Any) -> dict[str, Any]:
    return {
        "turns": turns.count,
        "status": result.status,
        "output": result.final_output,
        "tokens": result.usage.total_tokens,
        "requests": result.usage.requests,
        "interruptions": [item.call_id for item in result.interruptions],
    }


async def main(command: str, options: str) -> Any:
    set_tracing_disabled(True)
    configure_dbos(
        agents=[triage],
        hooks=turns,
        queues=QUEUES,
        lease_seconds=float(os.environ.get("LEASE", "1")),
    )
    await ensure_dbos_launched()
    return await globals()[command](**json.loads(options))


def begin(command: str, options: str) -> int:
    """Carry out a command in a new process and print its answer."""
    kill.what, _, number = os.environ.get("KILL", "never:0").partition(":")
    kill.left = int(number)
    logging.basicConfig(level=os.environ.get("LOG", "WARNING"))
    try:
        tell(asyncio.run(main(command, options)))
    except Exception as error:  # noqa: BLE001 - the test looks at it
        traceback.print_exc()
        tell({"error": type(error).__name__, "message": str(error)})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(begin(*sys.argv[1:]))
