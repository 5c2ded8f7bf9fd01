"""The moments that a worker comes through; at one it may kill itself. moments.ts is the same."""

import os
import re
import signal
from collections.abc import Sequence
from typing import Any

from timestep.database import Database
from timestep.database.pipeline import Answered, Pipeline

QUIET = ("register_executor", "keep_executor_alive", "adopt_runs", "expire_approvals")


class Moments:
    """The moments that this process came through; at one of them it may kill itself."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.last = ""

    def pass_by(self, moment: str) -> None:
        self.seen.append(moment)
        if moment == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch_database(self) -> None:
        """Let every statement that changes something be a moment before and a moment after."""
        moments, fetch_sync = self, Database.fetch_sync

        def watched(
            self: Database, statement: str, *values: object, repeatable: bool = False
        ) -> list[dict[str, Any]]:
            names = moments.names_of(statement, values)
            for name in names:
                moments.pass_by(f"before {name}")
            rows = fetch_sync(self, statement, *values, repeatable=repeatable)
            for name in names:
                moments.pass_by(f"after {name}")
            return rows

        Database.fetch_sync = watched

    def watch_pipelines(self) -> None:
        """Let every step that an event loop writes be such moments too."""
        moments, send = self, Pipeline.send

        def watched(
            self: Pipeline, statement: bytes, rows: Sequence[Sequence[object]], answered: Answered
        ) -> None:
            names = [name for row in rows for name in moments.names_of(statement.decode(), row)]
            for name in names:
                moments.pass_by(f"before {name}")

            def answered_watched(answers: list[str | None] | None) -> None:
                for name in names if answers else ():
                    moments.pass_by(f"after {name}")
                answered(answers)

            send(self, statement, rows, answered_watched)

        Pipeline.send = watched

    def names_of(self, statement: str, values: Sequence[object]) -> list[str]:
        """Return what a statement changes: a name for the step that it writes."""
        found = re.search(r"timestep\.([a-z_]+)_v\d+\(", statement)
        if found is None or found[1] in QUIET:
            return []
        if found[1] in ("record_step", "begin_step"):
            return [f"{found[1]} {values[2]}"]
        if found[1] == "append_run_items":
            return [f"{found[1]} {values[3]}:{values[4]}"]
        times = sum(seen.startswith(f"before {found[1]} ") for seen in self.seen)
        return [f"{found[1]} #{times + 1}"]
