"""Run the samples of a page: one process for each language, a database for each page."""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
from support.postgres import new_database
from timestep.testing import ModelServer
from timestep.testing.node import node_command

from .pages import Sample, Script

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PATIENCE_SECONDS = 120.0
# What differs from run to run. It is replaced in the page and in what was printed.
VARYING = {
    "ID": r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b",
    "ADDRESS": r"127\.0\.0\.1:\d+(/\w+)?",
    "VERSION": r"\b(?!0\.00)\d+\.\d+(\.\d+)*\b",  # but not a sum of money such as 0.000123
    "DAY": r"\b20\d\d-\d\d-\d\d\b",
    "DIGEST": r"\b[0-9a-f]{32,}\b",
}


class SampleError(Exception):
    """A sample that does not do what its page says."""


class Interpreter:
    """A process that runs the samples of one language."""

    def __init__(self, command: list[str | Path]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, file: Path, arguments: list[str], environment: dict[str, str]) -> str:
        """Return what the file printed."""
        assert self._process.stdin
        assert self._process.stdout
        command = {"file": str(file), "arguments": arguments, "environment": environment}
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        timer = threading.Timer(PATIENCE_SECONDS, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        if not line:
            self._process.wait()
            self.close()
            raise SampleError("the sample ended its process, or never ended")
        answer = json.loads(line)
        if answer["error"] is not None:
            raise SampleError(f"{answer['error']}\nprinted before:\n{answer['output']}")
        return answer["output"]

    @property
    def has_ended(self) -> bool:
        """Whether a sample ended the process, or took too long."""
        return self._process.poll() is not None

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


class Interpreters:
    """One interpreter for each language, started on first use."""

    def __init__(self) -> None:
        typescript = [node_command(), "--disable-warning=ExperimentalWarning", HERE / "driver.ts"]
        python = [sys.executable, HERE / "driver.py"]
        self._commands = {"python": python, "typescript": typescript}
        self._started: dict[str, Interpreter] = {}

    def __getitem__(self, language: str) -> Interpreter:
        if language not in self._started or self._started[language].has_ended:
            self._started[language] = Interpreter(self._commands[language])
        return self._started[language]

    def close(self) -> None:
        """End those that were started."""
        for interpreter in self._started.values():
            interpreter.close()


class Page:
    """A page under test: its folder, its database, what its samples printed."""

    def __init__(
        self, name: str, interpreters: Interpreters, server: ModelServer, database: tuple[str, str]
    ) -> None:
        self._open = ExitStack()
        self._interpreters = interpreters
        self._server = server
        self._server_and_template = database
        self._urls: dict[str, str] = {}
        self._database = ""
        self._folder = Path(self._open.enter_context(tempfile.TemporaryDirectory()))
        make_project(self._folder)
        self._name = re.sub(r"\W", "-", name)
        self._tabs = 0
        self._own = ""  # the script of the tab
        self._key = ""
        self._printed = ""
        self._argument = ""

    def run(self, sample: Sample) -> None:
        """Run a sample and compare what it prints.

        Raises:
            SampleError: It fails, prints something else, or the model was not asked as it should.
        """
        if sample is sample.tab.samples[0]:
            self._set_scripts(sample.tab.scripts)
        self._database = sample.tab.database
        run = {"shell": self._shell, "sql": self._sql}.get(sample.kind, self._program)
        self._printed = run(sample)
        if not sample.hidden:
            compare(sample.output or "", self._printed)
        if sample is sample.tab.samples[-1]:
            self._check_used_up(sample.tab.scripts)

    @property
    def _url(self) -> str:
        """The address of the database of the tab."""
        if self._database not in self._urls:
            url, template = self._server_and_template
            database = self._open.enter_context(new_database(url, template=template))
            self._urls[self._database] = database
        return self._urls[self._database]

    def close(self) -> None:
        """Remove what the page needed."""
        self._open.close()

    def _program(self, sample: Sample) -> str:
        endings = {"python": ".py", "typescript": ".ts"}
        file = self._folder / (sample.title or f"{sample.line}{endings[sample.kind]}")
        file.parent.mkdir(exist_ok=True)
        file.write_text(sample.setup + sample.source, encoding="utf-8")
        return self._interpreters[sample.kind].run(
            file, self._arguments(sample), self._environment()
        )

    def _arguments(self, sample: Sample) -> list[str]:
        if sample.argument is None:
            return []
        if found := re.search(sample.argument, self._printed):
            self._argument = found[1]
        return [self._argument]

    def _shell(self, sample: Sample) -> str:
        printed = ""
        for command in sample.source.splitlines():
            done = subprocess.run(
                shlex.split(command, comments=True),
                cwd=self._folder,
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=PATIENCE_SECONDS,
                check=False,
            )
            printed += done.stdout
        return printed

    def _sql(self, sample: Sample) -> str:
        with psycopg.connect(self._url, autocommit=True) as connection:
            cursor = connection.execute(sample.source.encode())
            names = [column.name for column in cursor.description or []]
            return table(names, cursor.fetchall() if names else [])

    def _environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PG", "TIMESTEP_", "OPENAI_", "OLLAMA_", "FIRECRAWL_"))
        }
        return {
            **kept,
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")]),
            "PG_CONNECTION_URI": self._url,
            "TIMESTEP_EMBEDDED": "off",
            "OPENAI_BASE_URL": self._server.url,
            "OPENAI_API_KEY": self._key,
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
            "OLLAMA_HOST": self._server.ollama_url,
            "OLLAMA_API_KEY": self._key,
            "OLLAMA_CLOUD_FOR_SAMPLES": self._server.ollama_cloud_url,
            "SCRIPT_FOR_SAMPLES": self._own,
            "FIRECRAWL_API_URL": self._server.firecrawl_url,
            "FIRECRAWL_API_KEY": self._key,
        }

    def _set_scripts(self, scripts: list[Script]) -> None:
        self._tabs += 1
        self._own = f"{self._name}-{self._tabs}"
        self._key = self._server.api_key(self._own)
        for script in scripts or [Script(None, [], {})]:
            self._server.script(script.name or self._own, script.steps, **script.options)

    def _check_used_up(self, scripts: list[Script]) -> None:
        for script in scripts:
            asked = self._server.requests(script.name or self._own)
            answered = {entry["step"] for entry in asked} - {None}
            if len(answered) != len(script.steps):
                shown = [(entry["path"], entry["status"]) for entry in asked]
                raise SampleError(
                    f"the model was to answer {len(script.steps)} times, but did"
                    f" {len(answered)} times: {shown}"
                )


def make_project(folder: Path) -> None:
    """Make a folder into one in which TypeScript finds the packages of this repository."""
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    (folder / "node_modules").symlink_to(ROOT / "node_modules")


def compare(expected: str, printed: str) -> None:
    """Compare what a page shows with what was printed.

    `…` in the page stands for anything in its line, and alone in a line for any lines.

    Raises:
        SampleError: They differ.
    """
    pattern = "".join(map(_line_pattern, steady(expected).splitlines()))
    if re.fullmatch(pattern, "".join(f"{line}\n" for line in steady(printed).splitlines())) is None:
        raise SampleError(f"the page shows:\n{expected}\nbut it printed:\n{printed}")


def _line_pattern(line: str) -> str:
    if line.strip() == "…":
        return r"(.*\n)*?"
    return re.escape(line).replace("…", ".*") + "\n"


def steady(text: str) -> str:
    """Replace what differs from run to run, and blanks at the ends of lines."""
    for name, pattern in VARYING.items():
        text = re.sub(pattern, name, text)
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def table(names: list[str], rows: list[tuple[Any, ...]]) -> str:
    """Show rows as psql does."""
    cells = [names, *(["" if value is None else str(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        " " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in cells
    ]
    return "\n".join([lines[0], "+".join("-" * (width + 2) for width in widths), *lines[1:]])
