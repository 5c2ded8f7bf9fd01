"""Starting DBOS: in a script, inside a running loop, twice, and by many processes at once."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.durable import Company, call, says
from support.postgres import clean_environment, execute
from support.waiting import until

IN_A_SCRIPT = """
import asyncio
from agents import Agent, set_tracing_disabled
from timestep import Session, configure_dbos, ensure_dbos_launched, run_agent_workflow
set_tracing_disabled(True)
configure_dbos()
ensure_dbos_launched()
ensure_dbos_launched()
agent = Agent(name="a")
session = Session()
async def main():
    result = await run_agent_workflow(
        agent=agent, input_items="hi", session=session, workflow_id="unique-id"
    )
    print(result.output)
asyncio.run(main())
asyncio.run(main())
"""
IN_TWO_LOOPS = """
import asyncio
from agents import Agent, set_tracing_disabled
from timestep import ensure_dbos_launched, queue_agent_workflow
set_tracing_disabled(True)
async def main():
    ensure_dbos_launched()
    print((await queue_agent_workflow(Agent(name="a"), "hi").get_result()).output)
asyncio.run(main())
asyncio.run(main())
"""
AFTER_ITS_LOOP = """
import asyncio
from timestep import configure_dbos, ensure_dbos_launched
configure_dbos(lease_seconds=1)
async def main():
    await ensure_dbos_launched()
asyncio.run(main())
input()
"""
INSIDE_A_LOOP = """
import asyncio
from agents import Agent, set_tracing_disabled
from timestep import cleanup_dbos, configure_dbos, ensure_dbos_launched, run_agent_workflow
set_tracing_disabled(True)
async def main():
    await configure_dbos("shop", executor_id="one")
    configure_dbos("shop")
    await ensure_dbos_launched()
    ensure_dbos_launched()
    result = await run_agent_workflow(agent=Agent(name="a"), input_items="hi", workflow_id="u")
    print(result.output)
    try:
        configure_dbos("other")
    except Exception as error:
        print(type(error).__name__)
    await cleanup_dbos()
    cleanup_dbos()
    configure_dbos("shop2")
    ensure_dbos_launched()
    result = await run_agent_workflow(agent=Agent(name="a"), input_items="hi", workflow_id="u")
    print(result.output)
asyncio.run(main())
"""
IN_A_QUEUE = """
import asyncio
from agents import Agent
from timestep import create_scheduled_agent_workflow, delete_schedule, queue_agent_workflow
async def main():
    agent = Agent(name="a")
    name = create_scheduled_agent_workflow("0 9 * * *", agent, "hi")
    assert name == await create_scheduled_agent_workflow("0 9 * * *", agent, "hi")
    assert await delete_schedule(name)
    for number in range(3):
        queue_agent_workflow(agent, "hi", workflow_id=f"q{number}")
    await asyncio.sleep(DELAY)
asyncio.run(main())
"""
LAUNCHED_SLOWLY = """
import asyncio, time
from agents import Agent, set_tracing_disabled
from timestep import RunHandle, configure_dbos, ensure_dbos_launched
from timestep.durable import launch
set_tracing_disabled(True)
register_queues = launch.register_queues
def register_late(configured):
    time.sleep(3)
    register_queues(configured)
launch.register_queues = register_late
configure_dbos(agents=[Agent(name="a")])
ensure_dbos_launched()
async def main():
    for number in range(3):
        print((await RunHandle(f"q{number}").get_result()).output)
asyncio.run(main())
"""
IN_A_TOOL = """
import asyncio, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests may run in the background
from agents import Agent, function_tool, set_tracing_disabled
from timestep import run_agent_workflow
set_tracing_disabled(True)
@function_tool
async def wait() -> str:
    print("waiting", flush=True)
    await asyncio.sleep(60)
    return ""
asyncio.run(run_agent_workflow(Agent(name="a", tools=[wait]), "hi", workflow_id="w"))
"""
FOREIGN = """
import sys
from dbos import DBOS
from timestep import ConfigurationError, configure_dbos, ensure_dbos_launched
try:
    configure_dbos(system_database_url="sqlite:///x")
except ConfigurationError as error:
    print(error)
DBOS(config={"name": "mine", "system_database_url": sys.argv[1], "log_level": "ERROR"})
try:
    ensure_dbos_launched()
except ConfigurationError as error:
    print(error)
"""


def script(company: Company, folder: Path, text: str, *words: str) -> subprocess.Popen[str]:
    path = folder / "script.py"
    path.write_text(text)
    return subprocess.Popen(
        [sys.executable, str(path), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(
            PG_CONNECTION_URI=company.url,
            OPENAI_API_KEY=company.server.api_key(company.script_id),
            OPENAI_BASE_URL=company.server.url,
        ),
    )


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        (IN_A_SCRIPT, ["hello", "hello"]),
        (INSIDE_A_LOOP, ["hello", "ConfigurationError", "hello"]),
        (IN_TWO_LOOPS, ["hello", "hello"]),
    ],
)
def test_it_works_bare_and_awaited(
    company: Company, tmp_path: Path, text: str, printed: list[str]
) -> None:
    company.script(says("hello"), says("hello"))
    process = script(company, tmp_path, text)
    output, errors = process.communicate(timeout=90)
    assert output.splitlines() == printed, errors
    assert process.returncode == 0
    assert errors == ""


@pytest.mark.parametrize("delay", ["0", "0.5"])
def test_runs_that_nobody_awaits_are_queued_before_the_process_ends(
    company: Company, tmp_path: Path, delay: str
) -> None:
    company.script(*[says("done")] * 3)
    process = script(company, tmp_path, IN_A_QUEUE.replace("DELAY", delay))
    _, errors = process.communicate(timeout=90)
    assert process.returncode == 0
    assert "dbos:" not in errors, "that some may have begun is not worth a word"
    assert company.rows("select run_id from timestep.runs order by created_at") == [
        ("q0",), ("q1",), ("q2",),
    ]  # fmt: skip
    assert len(company.rows("select workflow_uuid from dbos.workflow_status")) == 3


def test_a_run_that_comes_while_a_process_launches_is_executed(
    company: Company, tmp_path: Path
) -> None:
    company.script(says("one"), says("two"), says("three"))
    script(company, tmp_path, IN_A_QUEUE.replace("DELAY", "0")).communicate(timeout=90)
    process = script(company, tmp_path, LAUNCHED_SLOWLY)
    output, errors = process.communicate(timeout=60)
    assert sorted(output.split()) == ["one", "three", "two"], errors


def test_an_interrupted_process_ends_and_leaves_its_run_to_others(
    company: Company, tmp_path: Path
) -> None:
    company.script(says(call("wait", "c1")))
    process = script(company, tmp_path, IN_A_TOOL)
    assert process.stdout
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert errors.splitlines()[-1] == "KeyboardInterrupt"
    assert "dbos:" not in errors, "nothing is logged of it"
    assert company.rows("select status from timestep.runs") == [("running",)]
    alive = "select 1 from timestep.runs where timestep.is_alive_v1(owner)"
    assert company.rows(alive) == [], "anybody may take it at once"


def test_a_process_whose_event_loop_has_ended_takes_no_runs(
    company: Company, tmp_path: Path
) -> None:
    company.script()
    process = script(company, tmp_path, AFTER_ITS_LOOP)
    signed_off = "select 1 from timestep.executors where stopped_at is not null"
    until(lambda: company.rows(signed_off), seconds=90)
    assert process.poll() is None
    _, errors = process.communicate("\n", timeout=30)
    assert (process.returncode, errors) == (0, "")


def test_what_cannot_be_launched_says_why(company: Company, tmp_path: Path) -> None:
    company.script()
    process = script(company, tmp_path, FOREIGN, company.url)
    output, errors = process.communicate(timeout=90)
    wrong_address, foreign = output.splitlines()
    assert "system_database_url: The database address has the scheme sqlite" in wrong_address
    assert "by somebody else" in foreign
    assert errors == ""


def test_many_processes_launch_at_once_on_an_empty_database(
    company: Company, empty_database_url: str, tmp_path: Path
) -> None:
    company.url = empty_database_url
    company.script()
    workers = [company.worker("refused") for _ in range(10)]
    for worker in workers:
        assert worker.wait(180) == 0, worker.errors
    rows = execute(empty_database_url, "select count(distinct instance) from timestep.executors")
    assert rows == [(10,)]
