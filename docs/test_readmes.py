"""The code in the READMEs runs."""

from collections.abc import Iterator

import pytest

from ._samples.pages import DOCS, Sample, Script, read
from ._samples.run import Page
from .conftest import Documentation

ROOT = DOCS.parent
ASK = {"type": "function_call", "name": "send_refund", "arguments": {"order": "4711"}}
PAUSE = {"output": [ASK]}
END = {"output": [{"type": "message", "text": "Done."}]}
PYTHON_TOOL = """
from agents import function_tool
@function_tool(needs_approval=True)
def send_refund(order: str) -> str:
    return f"refunded {order}"
"""
TYPESCRIPT_TOOL = """
import { tool } from '@openai/agents';
import { z } from 'zod';
const sendRefund = tool({
  name: 'send_refund',
  description: '',
  parameters: z.object({ order: z.string() }),
  needsApproval: true,
  execute: async ({ order }) => `refunded ${order}`,
});
"""
AGENT = """
import { Agent } from '@openai/agents';
const agent = new Agent({ name: 'assistant', model: 'gpt-4.1', tools: [sendRefund] });
const sessionId = process.argv[2];
"""
SHOW = {
    "python": "\nprint('session', session.session_id, result.final_output)\n",
    "typescript": "\nconsole.log('session', session.sessionId, result.finalOutput);\n",
}


@pytest.fixture
def page(documentation: Documentation, request: pytest.FixtureRequest) -> Iterator[Page]:
    page = documentation.open(request.node.name)
    yield page
    page.close()


def samples(readme: str, language: str) -> list[Sample]:
    """Return the samples of a README in a language."""
    text = (ROOT / readme).read_text(encoding="utf-8")
    return [each for each in read(text) if each.kind == language]


def prepared(readme: str, language: str, setup: str, *steps: dict[str, object]) -> Sample:
    """Return the first sample of a README in a language, so that it says how it ended."""
    sample = samples(readme, language)[0]
    sample.setup = setup
    sample.source += SHOW[language]
    sample.tab.scripts = [Script(None, list(steps), {})]
    return sample


def test_the_readme_pauses_in_python_and_ends_in_typescript(page: Page) -> None:
    start = prepared("README.md", "python", PYTHON_TOOL, PAUSE)
    start.output = "session … None\n"
    page.run(start)
    end = prepared("README.md", "typescript", TYPESCRIPT_TOOL + AGENT, END)
    end.argument = r"session (\S+)"
    end.output = "session … Done.\n"
    page.run(end)


@pytest.mark.parametrize(
    ("language", "setup"), [("python", PYTHON_TOOL), ("typescript", TYPESCRIPT_TOOL)]
)
def test_the_page_of_a_package_pauses_and_ends(page: Page, language: str, setup: str) -> None:
    sample = prepared(f"{language}/README.md", language, setup, PAUSE, END)
    sample.output = "session … Done.\n"
    page.run(sample)


def test_the_readme_runs_a_durable_run(page: Page) -> None:
    _, durable = samples("README.md", "python")
    durable.setup = 'from agents import Agent\nagent = Agent(name="assistant", model="gpt-4.1")\n'
    durable.source += "print(result.run_id, result.status, result.final_output)\n"
    durable.tab.scripts = [Script(None, [END], {})]
    durable.output = "order-4711 completed Done.\n"
    page.run(durable)
