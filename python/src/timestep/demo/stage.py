"""Shows what happens: with colours on a terminal, as plain lines elsewhere, or not at all."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from timestep.database import DatabaseLocation
from timestep.database.embedded.binaries import find_binaries
from timestep.demo.languages import Language
from timestep.demo.model import Model
from timestep.demo.part import Event, Part
from timestep.demo.relay import COMPLAINT, Relay, Report
from timestep.demo.takeover import LEASE_SECONDS, PURCHASE, TOOLS, Takeover, TakeoverReport
from timestep.errors import TimestepError

_LABEL_WIDTH = 9
_LOOK = (
    "select version, status, writer_language, agent, total_tokens from timestep.run_states",
    "select tool, arguments, status, message from timestep.approvals",
)
_LOOK_AT_STEPS = "select run_id, kind, name, arguments, language from timestep.steps"


class Stage:
    """Where the demo is shown.

    Args:
        quiet: Whether to show nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(quiet=quiet, highlight=False)
        self._played = 0

    def say(self, label: str, text: str, *, style: str = "") -> None:
        """Show one line behind its label."""
        if not self._console.is_terminal:
            self._print(f"    {label:<{_LABEL_WIDTH}} {text}")
            return
        line = Table.grid(padding=(0, 1))
        line.add_column(width=_LABEL_WIDTH)
        line.add_column(overflow="fold")
        line.add_row(Text(label, style="dim"), Text(text, style=style))
        self._console.print(Padding(line, (0, 0, 0, 4)))

    def welcome(self) -> None:
        """Say what is to be seen."""
        self._print("A run pauses in one language, and the other finishes it.\n", style="bold")

    def introduce(self, database: DatabaseLocation, model: Model) -> None:
        """Say what takes part."""
        self.say("database", database.display)
        self.say("model", model.description)

    def play(self, relay: Relay, languages: Sequence[Language], order: str) -> Report:
        """Show one run from beginning to end."""
        first, second = (each.name for each in languages)
        self._announce(f"{first} begins, {second} finishes")
        self.say("customer", COMPLAINT.format(order=order))
        report = relay.run(languages, order)
        self._prove(report)
        return report

    def second_act(self) -> None:
        """Say what is to be seen now."""
        self._print(
            "\nA process is killed in the middle of a durable run, and the other language goes on.",
            style="bold",
        )

    def play_takeover(
        self, takeover: Takeover, languages: Sequence[Language], order: str
    ) -> TakeoverReport:
        """Show one run whose first process is killed."""
        first, second = (each.name for each in languages)
        self._announce(f"{first} is killed, {second} finishes")
        self.say("customer", PURCHASE.format(order=order))
        report = takeover.run(languages, order)
        self._prove_takeover(report)
        return report

    def _announce(self, what: str) -> None:
        self._played += 1
        self._print(f"\n{self._played}. {what}", style="bold cyan")

    def hear(self, part: Part, event: Event) -> None:
        """Show what a process says."""
        match event["event"]:
            case "began":
                self._print(f"\n  {part}", style="bold green")
            case "resumes":
                self.say("loaded", f"version {event['version']} of session {event['session_id']}")
            case "called":
                self.say("tool ran", f"{part.calls[-1]} → {part.calls[-1].output}")
            case "paused":
                for call in part.waiting:
                    self.say("asks for", str(call), style="yellow")
                self.say(
                    "saved", f"session {event['session_id']}, version {part.version}, in PostgreSQL"
                )
            case "recorded":
                self.say("recorded", f"in PostgreSQL, run {event['run_id']}")
            case "ended" if part.killed:
                self.say(
                    "killed",
                    f"process {part.process}, with kill -9, before the second tool",
                    style="bold red",
                )
            case "waits":
                self.say(
                    "waits",
                    f"until the dead process's lease runs out: {LEASE_SECONDS:.0f} seconds here,"
                    " 30 unless set otherwise",
                )
            case "ended" if part.answer is None:
                self.say("ended", f"process {part.process} is gone; the run waits in the database")
            case "finished":
                self.say("answer", str(part.answer), style="bold")
            case _:
                pass

    def farewell(self, database: DatabaseLocation) -> None:
        """Say how to look at what was saved."""
        command = _own_command()
        self._print("\nLook at what was saved:\n", style="bold")
        if database.source == "embedded":
            self._print(f"  {command} db start    # keeps it up until: {command} db stop")
        self._print(f"  {command} runs list")
        self._print(f'  {_psql()} "$({command} db url)"')
        for select in _LOOK:
            self._print(
                f"    {select} where session_id like 'demo-%' order by created_at desc limit 2;"
            )
        self._print(
            f"    {_LOOK_AT_STEPS} where run_id like 'demo-%' order by finished_at desc limit 10;"
        )

    def _prove(self, report: Report) -> None:
        """Show that what was approved was done once; `Report.check` has made sure of it."""
        senders = f", by {' and '.join(map(str, report.refunds))}" if report.refunds else ""
        self._print("")
        self.say(
            "proof",
            f"refunds approved: {report.approved}, sent: {len(report.refunds)}{senders}",
            style="green",
        )
        self.say(
            "",
            f"in the saved conversation: {report.calls_in_history} call of send_refund, "
            f"{report.results_in_history} result",
            style="green",
        )

    def _prove_takeover(self, report: TakeoverReport) -> None:
        """Show that each tool ran once; `TakeoverReport.check` has made sure of it."""
        self._print("")
        for label, tool in zip(("proof", ""), TOOLS, strict=True):
            [runner] = report.who_ran(tool)
            self.say(label, f"{tool} ran once, in {runner}", style="green")
        for part in report.parts:
            steps = ", ".join(each.title for each in report.steps_of(part))
            self.say("", f"recorded by {part.language}: {steps}", style="green")

    def _print(self, text: str, *, style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)


def _own_command() -> str:
    """Return how the command `timestep` is called from the current folder."""
    own = Path(sys.executable).parent / "timestep"
    if own.is_relative_to(Path.cwd()):
        return str(own.relative_to(Path.cwd()))
    return "timestep" if shutil.which("timestep") else str(own)


def _psql() -> str:
    """Return the psql to use: that of the machine, else the one beside the embedded server."""
    if shutil.which("psql"):
        return "psql"
    try:
        beside = find_binaries().program("psql")
    except TimestepError:
        return "psql"
    return str(beside) if beside.is_file() else "psql"
