"""A page whose samples do not hold fails."""

from collections.abc import Iterator

import pytest

from ._samples.pages import PageError, read
from ._samples.run import Page, SampleError, compare
from .conftest import Documentation

SAY = """
<!-- model
say Hello.
-->
"""
ASK = """
    import asyncio
    from agents import Agent
    from timestep import run_agent
    result = await run_agent(Agent(name="assistant", model="gpt-4.1"), "Hello?")
"""


@pytest.fixture
def page(documentation: Documentation, request: pytest.FixtureRequest) -> Iterator[Page]:
    page = documentation.open(request.node.name)
    yield page
    page.close()


def run(page: Page, text: str) -> None:
    for sample in read(text):
        page.run(sample)


def block(language: str, *lines: str) -> str:
    return "\n".join([f"```{language}", *lines, "```\n"])


def tab(language: str, source: str) -> str:
    return f'=== "{language}"\n\n    ```{language}{source}    ```\n'


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("python", "print('one')"),
        ("typescript", "console.log('one');"),
        ("bash", "echo one"),
        ("sql", "select 'one' as one"),
    ],
)
def test_another_output_fails(page: Page, language: str, says: str) -> None:
    with pytest.raises(SampleError, match="the page shows"):
        run(page, block(language, says) + block("text", "two"))


@pytest.mark.parametrize(
    ("language", "source"), [("python", "print('one')"), ("typescript", "console.log('one');")]
)
def test_an_output_that_the_page_does_not_show_fails(
    page: Page, language: str, source: str
) -> None:
    with pytest.raises(SampleError, match="but it printed:\none"):
        run(page, block(language, source))


@pytest.mark.parametrize(
    ("language", "source"),
    [("python", "raise ValueError('no')"), ("typescript", "throw new Error('no');")],
)
def test_an_error_fails(page: Page, language: str, source: str) -> None:
    with pytest.raises(SampleError, match="Error: no"):
        run(page, block(language, source))


def test_a_model_that_is_not_asked_fails(page: Page) -> None:
    run(page, SAY + tab("python", ASK))
    with pytest.raises(SampleError, match="was to answer 1 times, but did 0 times"):
        run(page, SAY + tab("python", "\n    x = 1\n"))


def test_a_model_that_is_asked_too_often_fails(page: Page) -> None:
    with pytest.raises(SampleError, match="no step left"):
        run(page, SAY + tab("python", ASK + ASK))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("```python\nx = 1\n", "line 1: this block has no end"),
        ("```ruby\nputs 1\n```\n", "line 1: a block in ruby"),
        ("```text\none\n```\n", "line 1: the output of no sample"),
        ("\n<!-- modle\nsay Hello.\n-->\n", "line 2: unknown comment 'modle'"),
        ("<!-- not run -->\n```bash\nrm x\n```\n", "line 2: 'not run' gives no reason"),
    ],
)
def test_what_means_nothing_is_refused(text: str, why: str) -> None:
    with pytest.raises(PageError, match=why):
        read(text)


def test_what_differs_from_run_to_run_is_not_compared() -> None:
    first = "session 0b9f3e4c-6a4e-4d43-8a40-0f3dd8f6ac6e at 127.0.0.1:5432/timestep\n"
    second = "session 7b0c0d5e-3f5b-4a39-9d4e-2c1f0a6e8b11 at 127.0.0.1:33165/test_1\n"
    compare(first, second)
    compare("a\n…\nz\n", "a\nb\nc\nz\n")
    with pytest.raises(SampleError):
        compare("a\n…\nz\n", "a\nb\n")


def test_the_samples_of_a_tab_share_what_the_model_says() -> None:
    python, typescript = "\n    x = 1\n", "\n    const x = 1;\n"
    first, second, alone = read(
        SAY + tab("python", python) + tab("typescript", typescript) + "Text\n" + block("sql", "x")
    )
    assert first.tab.scripts == second.tab.scripts
    assert len(first.tab.scripts) == 1
    assert alone.tab.scripts == []


def test_a_sample_that_ends_its_process_fails_alone(page: Page) -> None:
    with pytest.raises(SampleError, match="ended its process"):
        run(page, block("typescript", "process.exit(0);"))
    run(page, block("typescript", "console.log('one');") + block("text", "one"))
