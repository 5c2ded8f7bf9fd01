"""What runs the two halves of the demo: this Python, and a Node.js with the npm package."""

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import cast

from timestep.errors import ConfigurationError
from timestep.testing.node import node_command

PACKAGE = "@timestep-ai/timestep"
_ASK_SECONDS = 30
_FIND = f"""
const {{ createRequire }} = require('node:module');
const manifest = createRequire(process.cwd() + '/').resolve('{PACKAGE}/package.json');
const its = createRequire(manifest);
for (const needed of ['@openai/agents', 'zod']) its.resolve(needed);
console.log(JSON.stringify({{ manifest, version: its(manifest).version }}));
"""


@dataclass(frozen=True)
class Language:
    """A language, and the program in it that plays a part of the run."""

    name: str
    command: tuple[str, ...]


def python() -> Language:
    """Return this Python."""
    return Language("Python", (sys.executable, "-m", "timestep.demo.main"))


@cache
def typescript() -> Language:
    """Return the Node.js and the npm package, found from the current folder.

    Raises:
        ConfigurationError: One is missing, or the package is not of this version.
    """
    try:
        node = node_command()
    except ConfigurationError as error:
        raise _missing("there is no Node.js 22.18 or newer") from error
    for folder in _folders():
        if found := _find(node, folder):
            return Language("TypeScript", (node, str(_program(*found))))
    raise _missing(f"{PACKAGE}, @openai/agents and zod are not all installed for {Path.cwd()}")


def _folders() -> list[Path]:
    """Return where the package may be installed: here, or beside the sources of this one."""
    sources = Path(__file__).resolve().parents[4]
    beside = [sources] if (sources / "typescript" / "package.json").is_file() else []
    return [Path.cwd(), *beside]


def _find(node: str, folder: Path) -> tuple[Path, str] | None:
    """Return the package's folder and version; None if it or what it needs is not installed."""
    asked = subprocess.run(  # noqa: S603 - a program that was found on this machine, no shell
        [node, "--eval", _FIND],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_ASK_SECONDS,
        check=False,
    )
    if asked.returncode != 0:
        return None
    found = cast("dict[str, str]", json.loads(asked.stdout))
    return Path(found["manifest"]).parent, found["version"]


def _program(folder: Path, version: str) -> Path:
    own = metadata.version("timestep")
    if version != own:
        raise ConfigurationError(
            f"The demo needs both packages in one version: timestep is {own}, {PACKAGE} in "
            f"{folder} is {version}. Bring the older one up to date."
        )
    program = folder / "dist" / "demo" / "main.js"
    if not program.is_file():
        raise ConfigurationError(f"{folder} is not built. Build it: make build")
    return program


def _missing(what: str) -> ConfigurationError:
    return ConfigurationError(
        f"The demo runs in two languages, but {what}. Install both halves, in one folder:\n"
        "  pip install 'timestep[postgres,testing]'\n"
        f"  npm install {PACKAGE} @openai/agents zod"
    )
