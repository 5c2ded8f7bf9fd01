"""The API reference says what the code says."""

import ast
import inspect
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import timestep
from timestep import testing
from timestep.testing.node import node_command

from ._samples.pages import DOCS, every_sample
from ._samples.run import make_project

ROOT = DOCS.parent
EVERYTHING = {name: getattr(home, name) for home in (testing, timestep) for name in home.__all__}
PARAMETERS = DOCS / "_samples" / "parameters.ts"


def signatures(language: str) -> Iterator[tuple[str, str]]:
    """Yield name and arguments of each documented call of a language."""
    for _, sample in every_sample():
        if sample.kind == "signature" and sample.language == language:
            calls = re.findall(
                r"^(?:await |new )?([\w.]+)\(((?:[^()]|\(\))*)\)$", sample.source, re.MULTILINE
            )
            assert len(calls) == sample.source.count("(") - sample.source.count("=()"), (
                sample.source
            )
            for name, arguments in calls:
                yield name, " ".join(arguments.split()).removesuffix(",").replace(", }", " }")


@pytest.mark.parametrize(("name", "arguments"), list(signatures("python")))
def test_python_signatures_are_those_of_the_code(name: str, arguments: str) -> None:
    owner, _, method = name.rpartition(".")
    found = getattr(EVERYTHING[owner], method) if owner else EVERYTHING[name]
    shown = shape(inspect.signature(found), without_self=bool(owner))
    documented = ast.parse(f"def f({arguments}): ...").body[0]
    assert isinstance(documented, ast.FunctionDef)
    assert shown == ast.unparse(documented.args)


def shape(signature: inspect.Signature, *, without_self: bool) -> str:
    """Return a signature without types, as it would be written."""
    plain = [
        parameter.replace(annotation=inspect.Parameter.empty, default=default(parameter))
        for parameter in signature.parameters.values()
    ][int(without_self) :]
    text = str(inspect.Signature(plain))
    parsed = ast.parse(f"def f{text}: ...").body[0]
    assert isinstance(parsed, ast.FunctionDef)
    return ast.unparse(parsed.args)


def default(parameter: inspect.Parameter) -> object:
    """Return a default whose repr() is how it would be written."""
    value = parameter.default
    is_function = inspect.isfunction(value)
    return Name(value.__name__) if is_function else value


class Name:
    """A name in place of a function."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        """Return the name itself."""
        return self._name


def test_typescript_signatures_are_those_of_the_code(tmp_path: Path) -> None:
    make_project(tmp_path)
    script = tmp_path / "parameters.ts"
    script.write_text(PARAMETERS.read_text(encoding="utf-8"), encoding="utf-8")
    answer = subprocess.run(
        [node_command(), "--disable-warning=ExperimentalWarning", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = json.loads(answer.stdout)
    documented = list(signatures("typescript"))
    assert documented
    wrong = {
        name: (arguments, found.get(name))
        for name, arguments in documented
        if arguments.replace("?", "") != found.get(name)
    }
    assert not wrong


def test_everything_public_is_on_an_api_page() -> None:
    pages = [page.read_text(encoding="utf-8") for page in (DOCS / "api-reference").glob("*.md")]
    text = "\n".join(pages)
    index = (ROOT / "typescript" / "src" / "index.ts").read_text(encoding="utf-8")
    errors = (ROOT / "typescript" / "src" / "errors.ts").read_text(encoding="utf-8")
    lists = re.findall(r"^export \{(.*?)\}", index, re.MULTILINE | re.DOTALL)
    names = {
        *timestep.__all__,
        *(name.strip().removeprefix("type ") for each in lists for name in each.split(",")),
        *re.findall(r"^export class (\w+)", errors, re.MULTILINE),
    }
    assert not sorted(name for name in names if f"`{name}" not in text)


def test_every_environment_variable_is_documented_as_it_is_specified() -> None:
    page = (DOCS / "api-reference" / "environment-variables.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.*?) ?\|$", page, re.MULTILINE))
    specified = json.loads((ROOT / "spec" / "environment.json").read_text(encoding="utf-8"))
    defaults = {row["name"]: row["default"] or "" for row in specified if row["name"] in rows}
    assert {name: cell.strip("`") for name, cell in rows.items()} == defaults
