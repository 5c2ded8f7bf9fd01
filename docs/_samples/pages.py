"""Read the samples of a page: what runs, in which language, and what it must print.

A page is Markdown with tabs (`=== "Python"`). Comments, which the site leaves out, say the rest:

    <!-- model                      what the model answers, one line for each answer; it is set
    call send_refund {"amount": 25} anew for every tab that follows. `<!-- model llama3`: for the
    say Paid.                       local Ollama model of this name
    -->
    <!-- setup python … -->         lines before the next sample of this language
    <!-- check typescript … -->     a sample that readers do not see
    <!-- argument: (regex) -->      the next samples get what this finds in the output before them
    <!-- not run: reason -->        the next block is only shown
    <!-- signature -->              the next block is a signature, compared with the code
    <!-- databases -->              from here on tabs "TypeScript …" have databases of their own, so
                                    that both languages may use the same names

A `text` block is the output of the sample before it; behind a set of tabs, of the last sample of
each tab. A block with a title is also a file, which later samples import.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent
RUN = {"python": "python", "typescript": "typescript", "bash": "shell", "sql": "sql"}
SHOWN = ("json", "mermaid", "toml")

_COMMENT = re.compile(r"( *)<!-- ?(.*?)-->\n?", re.DOTALL)
_FENCE = re.compile(
    r'( *)```(\w*)(?: title="(.+?)")?\n(.*?)^\1``` *(?:\n|\Z)', re.MULTILINE | re.DOTALL
)
_TAB = re.compile(r'( *)=== "(.+)"\n')
_LINE = re.compile(r"( *)(.*)\n?")


class PageError(Exception):
    """A page that cannot be read as samples."""


@dataclass(frozen=True)
class Script:
    """What the model answers. Without a name it is for the key of the tab."""

    name: str | None
    steps: list[dict[str, Any]]
    options: dict[str, Any]


@dataclass
class Sample:
    """One piece of code of a page."""

    kind: str  # python, typescript, shell, sql or signature
    language: str
    source: str
    start: int
    end: int
    line: int
    title: str | None = None
    setup: str = ""
    argument: str | None = None
    output: str | None = None
    hidden: bool = False
    tab: "Tab" = field(default_factory=lambda: Tab([]))


@dataclass
class Tab:
    """Samples that belong together, what the model says to them, and which database they use."""

    scripts: list[Script]
    samples: list[Sample] = field(default_factory=list[Sample])
    database: str = ""


def pages() -> list[Path]:
    """Return every page of the site."""
    return sorted(DOCS.rglob("*.md"))


def without_comments(text: str) -> str:
    """Return a page as readers see it."""
    return _COMMENT.sub("", text)


def read(text: str) -> list[Sample]:
    """Return the samples of a page in order.

    Raises:
        PageError: A block or comment means nothing, or an output belongs to no sample.
    """
    reader = _Reader(text)
    reader.read()
    return reader.samples


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.samples: list[Sample] = []
        self.tabs: list[Tab] = []  # the set of tabs here, or the last one
        self.indent: int | None = None  # of the tab here; None outside of tabs
        self.scripts: list[Script] = []  # for the tabs that follow
        self.setup: dict[str, str] = {}
        self.argument: str | None = None
        self.note: str | None = None
        self.own_databases = False

    def read(self) -> None:
        position = 0
        while position < len(self.text):
            for pattern, take in (
                (_COMMENT, self._comment),
                (_FENCE, self._block),
                (_TAB, self._start_tab),
                (_LINE, self._words),
            ):
                if match := pattern.match(self.text, position):
                    take(match)
                    position = match.end()
                    break

    def _words(self, match: re.Match[str]) -> None:
        if match[2].startswith("```"):
            raise self._error(match, "this block has no end")
        if match[2]:
            self._leave_tabs(match)

    def _start_tab(self, match: re.Match[str]) -> None:
        if self.indent is None:
            self.tabs = []
        self.indent = len(match[1])
        has_own = self.own_databases and match[2].startswith("TypeScript")
        database = match[2] if has_own else ""
        self.tabs.append(Tab(list(self.scripts), database=database))

    def _leave_tabs(self, match: re.Match[str]) -> None:
        if self.indent is not None and len(match[1]) <= self.indent:
            self.indent = None
            self.scripts = []

    def _comment(self, match: re.Match[str]) -> None:
        self._leave_tabs(match)
        head, _, body = match[2].partition("\n")
        name, _, argument = head.strip().partition(" ")
        body = _without_indent(body, len(match[1]))
        match name.rstrip(":"):
            case "model":
                here = self.scripts if self.indent is None else self.tabs[-1].scripts
                here.append(_script(argument or None, body))
            case "setup":
                self.setup[argument] = body
            case "check":
                self._add(match, argument, argument, body, hidden=True)
            case "argument":
                self.argument = argument
            case "databases":
                self.own_databases = True
            case "not" | "signature":
                self.note = head.strip()
            case _:
                raise self._error(match, f"unknown comment {head.strip()!r}")

    def _block(self, match: re.Match[str]) -> None:
        self._leave_tabs(match)
        indent, language, title, body = match.groups()
        source = _without_indent(body, len(indent))
        note, self.note = self.note, None
        if note == "signature":
            self._add(match, "signature", language, source)
        elif note:
            if not note.startswith("not run: "):
                raise self._error(match, f"{note!r} gives no reason")
        elif language == "text":
            self._output(match, source)
        elif language in RUN:
            self._add(match, RUN[language], language, source, title=title)
        elif language not in SHOWN:
            raise self._error(match, f"a block in {language or 'no language'}")

    def _add(
        self,
        match: re.Match[str],
        kind: str,
        language: str,
        source: str,
        *,
        title: str | None = None,
        hidden: bool = False,
    ) -> None:
        if self.indent is None:
            self.tabs = [Tab(self.scripts)]
            self.scripts = []
        sample = Sample(
            kind,
            language,
            source,
            match.start(),
            match.end(),
            self._line_of(match),
            title=title,
            setup=self.setup.pop(kind, ""),
            argument=self.argument,
            hidden=hidden,
            tab=self.tabs[-1],
        )
        sample.tab.samples.append(sample)
        self.samples.append(sample)

    def _output(self, match: re.Match[str], output: str) -> None:
        tabs = self.tabs if self.indent is None else self.tabs[-1:]
        owners = [tab.samples[-1] for tab in tabs if tab.samples]
        if not owners or any(owner.output is not None or owner.hidden for owner in owners):
            raise self._error(match, "the output of no sample")
        for owner in owners:
            owner.output = output

    def _line_of(self, match: re.Match[str]) -> int:
        return self.text.count("\n", 0, match.start()) + 1

    def _error(self, match: re.Match[str], words: str) -> PageError:
        return PageError(f"line {self._line_of(match)}: {words}")


def _without_indent(block: str, width: int) -> str:
    lines = block.splitlines(keepends=True)
    return "".join(line[width:] if line.strip() else "\n" for line in lines)


def _script(name: str | None, lines: str) -> Script:
    steps: list[dict[str, Any]] = []
    options: dict[str, Any] = {}
    for line in filter(None, map(str.strip, lines.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "ollama":
            options["ollama"] = json.loads(rest)
        elif word == "step":
            steps.append(json.loads(rest))
        elif word == "and":
            steps[-1]["output"].append(_output_item(rest))
        else:
            steps.append({"output": [_output_item(line)]})
    return Script(name, steps, options)


def _output_item(line: str) -> dict[str, Any]:
    word, _, rest = line.partition(" ")
    if word == "say":
        return {"type": "message", "text": rest}
    if word == "call":
        name, _, arguments = rest.partition(" ")
        return {"type": "function_call", "name": name, "arguments": json.loads(arguments or "{}")}
    raise PageError(f"a model that can {word!r}: write say, call, and, step or ollama")


def every_sample() -> Iterator[tuple[Path, Sample]]:
    """Yield the samples of all pages."""
    for page in pages():
        for sample in read(page.read_text(encoding="utf-8")):
            yield page, sample
