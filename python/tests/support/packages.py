"""Both packages as they would be published, and empty projects to install them into."""

import json
import os
import re
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from shutil import copy, copytree
from typing import IO, Any, cast

from support.postgres import clean_environment
from timestep.testing.node import node_command
from uv import find_uv_bin

ROOT = Path(__file__).resolve().parents[3]
UV = find_uv_bin()
NODE = node_command()
COMMANDS = Path(sys.executable).parent  # of this environment: node and npm among them
NPM = COMMANDS / "npm"
PATIENCE_SECONDS = 300
IGNORED = ("VIRTUAL_ENV", "PYTHONPATH", "NODE_PATH", "NODE_OPTIONS", "CI")


@dataclass(frozen=True)
class Packages:
    """The files that would be uploaded."""

    wheel: Path
    sdist: Path
    tarball: Path

    @property
    def requirements(self) -> list[str]:
        """What the wheel requires, that of its extras included, as plain requirements."""
        with zipfile.ZipFile(self.wheel) as archive:
            [name] = [each for each in archive.namelist() if each.endswith("/METADATA")]
            metadata = message_from_bytes(archive.read(name))
        return [each.partition(";")[0].strip() for each in metadata.get_all("Requires-Dist", [])]

    @property
    def lowest_dependencies(self) -> list[str]:
        """What the npm package depends on, in the lowest version that it takes."""
        with tarfile.open(self.tarball) as archive:
            manifest = json.load(cast("IO[bytes]", archive.extractfile("package/package.json")))
        ranges = {**manifest["dependencies"], **manifest["peerDependencies"]}
        return [f"{name}@{versions.removeprefix('^')}" for name, versions in ranges.items()]


def build(folder: Path) -> Packages:
    """Build the packages from the sources, with nothing left over from earlier builds."""
    run([UV, "build", "--quiet", ROOT / "python", "--out-dir", folder], folder)
    sources = folder / "typescript"
    sources.mkdir()
    for name in ("package.json", "tsconfig.json", "tsconfig.build.json", "README.md", "LICENSE"):
        copy(ROOT / "typescript" / name, sources)
    copytree(ROOT / "typescript" / "src", sources / "src")
    (sources / "dist").mkdir()
    (sources / "dist" / "removed_long_ago.js").touch()
    (sources / "node_modules").symlink_to(ROOT / "node_modules")
    run([NPM, "pack", "--silent", "--pack-destination", folder], sources)
    [wheel], [sdist], [tarball] = (folder.glob(f"*{end}") for end in (".whl", ".tar.gz", ".tgz"))
    return Packages(wheel, sdist, tarball)


def run(command: list[Any], folder: Path, **variables: str) -> str:
    """Run a command in a folder and return what it printed; it must succeed."""
    done = attempt(command, folder, **variables)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def attempt(command: list[Any], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a user without any settings would."""
    environment = clean_environment(**variables)
    for name in list(environment):
        if name in IGNORED or (name.startswith("OPENAI_") and name not in variables):
            del environment[name]
    # npm and what it calls look for node on PATH.
    environment["PATH"] = f"{COMMANDS}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def new_project(folder: Path) -> Path:
    """Make an empty project for either language."""
    folder.mkdir()
    (folder / "package.json").write_text('{"name": "shop", "private": true, "type": "module"}')
    return folder


def new_venv(folder: Path) -> Path:
    """Make a virtual environment without anything in it and return its Python."""
    run([UV, "venv", "--quiet", "--python", sys.executable, ".venv"], folder)
    return folder / ".venv" / "bin" / "python"


@dataclass(frozen=True)
class QuickStart:
    """The quick start of the documentation: its files, the model's part, what it prints."""

    files: dict[str, str]
    steps: list[dict[str, Any]]
    output: str

    def write(self, folder: Path) -> None:
        """Write the files into a project."""
        for name, text in self.files.items():
            (folder / name).write_text(text)


def read_quick_start() -> QuickStart:
    """Read the quick start from the page on getting started."""
    page = (ROOT / "docs" / "getting-started.md").read_text()
    [section] = re.findall(r"^## Quick Start.*?(?=^## )", page, re.MULTILINE | re.DOTALL)
    files: dict[str, str] = {}
    [output] = re.findall(r"^```text\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    block = r'^ *```(python|typescript)(?: title="(.+?)")?\n(.*?)^ *```'
    for language, title, text in re.findall(block, section, re.MULTILINE | re.DOTALL):
        code = textwrap.dedent(text)
        if language == "python" and not title:
            code = f"import asyncio\n\nasync def main():\n{textwrap.indent(code, '    ')}\n"
            code += "asyncio.run(main())\n"
        files[title or f"quick_start.{'py' if language == 'python' else 'ts'}"] = code
    [script] = re.findall(r"<!-- model\n(.*?)-->", section, re.DOTALL)
    return QuickStart(files, list(map(_step, script.strip().splitlines())), output)


def _step(line: str) -> dict[str, Any]:
    kind, _, rest = line.partition(" ")
    if kind == "say":
        return {"output": [{"type": "message", "text": rest}]}
    name, _, arguments = rest.partition(" ")
    call = {"type": "function_call", "name": name, "arguments": json.loads(arguments)}
    return {"output": [call]}
