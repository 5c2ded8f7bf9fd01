"""Starting DBOS: in a script, inside a running loop, twice, and by many processes at once."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.durable import Company, says
from support.postgres import clean_environment, execute

IN_A_SCRIPT = """
import asyncio
from agents import Agent, set_tracing_disabled
from timestep.durable.configuration import configure_dbos
from timestep.durable.launch import ensure_dbos_launched
from timestep.durable.runs import run_agent_workflow
set_tracing_disabled(True)
configure_dbos()
ensure_dbos_launched()
ensure_dbos_launched()
agent = Agent(name="a")
async def main():
    result = await run_agent_workflow(agent=agent, input_items="hi", workflow_id="unique-id")
    print(result.output)
asyncio.run(main())
asyncio.run(main())
"""
INSIDE_A_LOOP = """
import asyncio
from agents import Agent, set_tracing_disabled
from timestep.durable.configuration import configure_dbos
from timestep.durable.launch import cleanup_dbos, ensure_dbos_launched
from timestep.durable.runs import run_agent_workflow
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


def script(company: Company, folder: Path, text: str) -> subprocess.Popen[str]:
    path = folder / "script.py"
    path.write_text(text)
    return subprocess.Popen(
        [sys.executable, str(path)],
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
    [(IN_A_SCRIPT, ["hello", "hello"]), (INSIDE_A_LOOP, ["hello", "ConfigurationError", "hello"])],
)
def test_it_works_bare_and_awaited(
    company: Company, tmp_path: Path, text: str, printed: list[str]
) -> None:
    company.script(says("hello"))
    process = script(company, tmp_path, text)
    output, errors = process.communicate(timeout=90)
    assert output.splitlines() == printed, errors
    assert process.returncode == 0
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
