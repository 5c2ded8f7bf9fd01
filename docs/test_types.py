"""Samples and examples have no type errors, in either language."""

import json
import os
import subprocess
import sys
from pathlib import Path

from timestep.testing.node import node_command

from ._samples.pages import DOCS, Sample, every_sample
from ._samples.run import make_project

ROOT = DOCS.parent
PROGRAMS = os.pathsep.join(
    [str(Path(sys.executable).parent), str(Path(node_command()).parent), os.environ["PATH"]]
)


def test_typescript_samples_have_no_type_errors(tmp_path: Path) -> None:
    make_project(tmp_path)
    write_samples("typescript", tmp_path)
    options = {
        "extends": str(ROOT / "typescript" / "tsconfig.json"),
        # An unset variable of the environment is passed on as undefined, as programs do.
        "compilerOptions": {"exactOptionalPropertyTypes": False},
        "include": [
            "**/*.ts",
            str(DOCS / "_samples" / "*.ts"),
            str(ROOT / "examples" / "typescript" / "*.ts"),
        ],
    }
    check(tmp_path / "tsconfig.json", options, [str(ROOT / "node_modules" / ".bin" / "tsc")])


def test_python_samples_have_no_type_errors(tmp_path: Path) -> None:
    write_samples("python", tmp_path)
    settings = {
        "typeCheckingMode": "standard",
        "pythonVersion": "3.11",
        "reportUnusedCoroutine": "error",
        "executionEnvironments": [
            {"root": str(folder)} for folder in {file.parent for file in tmp_path.rglob("*.py")}
        ],
        "include": [".", str(ROOT / "examples" / "python")],
    }
    command = ["basedpyright", "--level", "error", "--pythonpath", sys.executable]
    check(tmp_path / "pyrightconfig.json", settings, command)


def write_samples(language: str, folder: Path) -> None:
    """Write the samples of all pages as files, each page into a folder of its own."""
    write = {"python": python, "typescript": typescript}[language]
    ending = {"python": "py", "typescript": "ts"}[language]
    samples = [(page, each) for page, each in every_sample() if each.kind == language]
    assert samples
    for page, sample in samples:
        own = folder / str(page.relative_to(DOCS).with_suffix(""))
        own.mkdir(parents=True, exist_ok=True)
        name = sample.title or f"line{sample.line}.{ending}"
        (own / name).write_text(write(sample), encoding="utf-8")


def typescript(sample: Sample) -> str:
    """Return the sample as a module."""
    return f"{sample.setup}{sample.source}\nexport {{}};\n"


def python(sample: Sample) -> str:
    """Return the sample as a file; what readers run line by line becomes a function."""
    source = sample.setup + sample.source
    if sample.title or sample.hidden:
        return sample.source if sample.title else ""
    body = "".join(f"    {line}" for line in source.splitlines(keepends=True))
    return f"async def main() -> None:\n{body}"


def check(settings_file: Path, settings: object, command: list[str]) -> None:
    """Run a type checker over the folder of its settings; it must find nothing."""
    settings_file.write_text(json.dumps(settings), encoding="utf-8")
    checked = subprocess.run(
        command,
        cwd=settings_file.parent,
        env={**os.environ, "PATH": PROGRAMS},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
