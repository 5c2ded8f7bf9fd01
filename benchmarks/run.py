"""Run the benchmarks of both languages; see README.md."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT / "python" / "tests")]

import durable_runs
import processes
import recovered
import saved_runs
import sessions
from server import embedded_server
from support.postgres import new_database
from timestep.testing import ModelServer


def main() -> None:
    """Print every figure that the command line asks for."""
    with (
        embedded_server() as (server_url, folder),
        ModelServer() as server,
        new_database(server_url) as url,
    ):
        os.environ |= {
            "PG_CONNECTION_URI": url,
            "OPENAI_BASE_URL": server.url,
            "OPENAI_API_KEY": server.api_key("bench"),
            "OPENAI_AGENTS_DISABLE_TRACING": "1",
            "TIMESTEP_BENCH_SERVER": server.origin,
        }
        asyncio.run(saved_runs.figures(server))
        asyncio.run(sessions.figures(server, url))
        durable_runs.figures(url)
        recovered.figures(url)
        _typescript()
        processes.figures(server_url, folder)


def _typescript() -> None:
    subprocess.run(["node", str(HERE / "run.ts"), *sys.argv[1:]], check=True, timeout=900)


if __name__ == "__main__":
    main()
