"""The Node.js process that the model server is."""

import json
import subprocess
import threading
from pathlib import Path

from timestep.errors import TimestepError
from timestep.testing.node import node_command

_MAIN = Path(__file__).parent / "model_server" / "main.ts"
_START_SECONDS = 30.0
_STOP_SECONDS = 5.0


def launch() -> subprocess.Popen[str]:
    """Start the server; it says its port on standard output."""
    # The server watches its standard input: it ends when this process does, killed or not.
    return subprocess.Popen(  # noqa: S603 - our own file, no shell
        [node_command(), "--disable-warning=ExperimentalWarning", str(_MAIN)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def announced_port(process: subprocess.Popen[str]) -> int:
    """Return the port once the server listens on it.

    Raises:
        TimestepError: It did not within 30 seconds.
    """
    timer = threading.Timer(_START_SECONDS, process.kill)
    timer.start()
    try:
        line = process.stdout.readline() if process.stdout else ""
    finally:
        timer.cancel()
    if not line:
        code = process.wait(_STOP_SECONDS)
        raise TimestepError(
            f"The model server did not start within {_START_SECONDS:.0f} seconds "
            f"(exit code {code}); what it said is on standard error."
        )
    return int(json.loads(line)["port"])


def stop(process: subprocess.Popen[str]) -> None:
    """Let the server end by itself, and end it if it does not."""
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        if process.stdout:
            process.stdout.close()
