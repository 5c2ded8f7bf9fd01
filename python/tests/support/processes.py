"""Python processes that use only the database layer."""

import subprocess
import sys
from pathlib import Path

import timestep

# The package's index imports the Agents SDK, which takes seconds of a processor; a test with a
# hundred processes that only want the database does without it.
WITHOUT_INDEX = f"""
import sys, types
sys.modules["timestep"] = types.ModuleType("timestep")
sys.modules["timestep"].__path__ = {[str(Path(timestep.__file__).parent)]!r}
"""


def launch(
    program: str, *arguments: str, python: str = sys.executable, **options
) -> subprocess.Popen:
    """Start a process that runs the program, with pipes for input, output and errors."""
    return subprocess.Popen(
        [python, "-W", "error", "-c", WITHOUT_INDEX + program, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
