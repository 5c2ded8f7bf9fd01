"""A durable run whose process is killed between two tools, for the other language to finish."""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from timestep import settings
from timestep.database import Database
from timestep.demo.languages import Language
from timestep.demo.model import NAME, Model, calls, says, thinks_for_ever
from timestep.demo.part import Event, Part, play
from timestep.errors import TimestepError
from timestep.testing import Step

PURCHASE = "One blue cup for 42.00 EUR, please. It is order {order}."
TOOLS = ("charge_customer", "ship_order")
LEASE_SECONDS = 3.0  # in place of 30, so that nobody has to wait
_RECORD_SECONDS = 10.0
_POLL_SECONDS = 0.01
_RECORDED = (
    "select kind, name, language from timestep.steps"
    " where run_id = %s and status = 'done' order by finished_at"
)
_CANCEL = "select timestep.cancel_run_v1(%s, 'The demo ended.')"


@dataclass(frozen=True)
class Recorded:
    """A step of the run as it was recorded.

    Attributes:
        kind: "model" or "tool".
        name: Of the model or the tool.
        language: Who did it.
    """

    kind: str
    name: str
    language: str

    @property
    def title(self) -> str:
        """The step as it is shown."""
        return self.name if self.kind == "tool" else f"an answer of {self.name}"


@dataclass(frozen=True)
class TakeoverReport:
    """What became of the run.

    Attributes:
        run_id: Where it is found in the database.
        parts: What the killed process did, and what the other one.
        steps: What was recorded, in order.
    """

    run_id: str
    parts: list[Part]
    steps: list[Recorded]

    def who_ran(self, tool: str) -> list[Part]:
        """Return the process of each call of a tool that was really made."""
        return [part for part in self.parts for call in part.calls if call.tool == tool]

    def steps_of(self, part: Part) -> list[Recorded]:
        """Return what was recorded in the language of a process."""
        return [step for step in self.steps if step.language == part.language.lower()]

    def check(self) -> None:
        """Make sure that each tool ran once, one in each process, and was recorded so.

        Raises:
            TimestepError: That is not so.
        """
        ran = [self.who_ran(tool) for tool in TOOLS]
        recorded = [(step.name, step.language) for step in self.steps if step.kind == "tool"]
        expected = [
            (tool, part.language.lower()) for tool, part in zip(TOOLS, self.parts, strict=True)
        ]
        if ran != [[part] for part in self.parts] or recorded != expected:
            counts = {tool: len(parts) for tool, parts in zip(TOOLS, ran, strict=True)}
            raise TimestepError(
                f"Run {self.run_id}: each tool was to run once, the first in the killed process."
                f" How often they ran: {counts}; recorded: {recorded}."
            )

    def document(self) -> dict[str, Any]:
        """Return the report as plain data."""
        return {**asdict(self), "calls": {tool: len(self.who_ran(tool)) for tool in TOOLS}}


@dataclass(frozen=True, kw_only=True)
class Takeover:
    """Plays runs.

    Attributes:
        model: What answers the agent.
        database: Where the record lies.
        tell: Told of what happens, as it happens.
    """

    model: Model
    database: Database
    tell: Callable[[Part, Event], None]

    def run(self, languages: Sequence[Language], order: str) -> TakeoverReport:
        """Play one run: kill the first language's process between two tools, let the second go on.

        Raises:
            TimestepError: A process failed, the model did not do as it should, or something was
                done twice.
        """
        run_id = f"demo-{uuid.uuid4()}"
        try:
            return self._run(languages, run_id, order)
        finally:
            # a run that is left over would be gone on with by the next demo
            self.database.fetch_sync(_CANCEL, run_id, repeatable=True)

    def _run(self, languages: Sequence[Language], run_id: str, order: str) -> TakeoverReport:
        first, second = languages
        task: dict[str, Any] = {
            "run_id": run_id,
            "model": NAME,
            "input": PURCHASE.format(order=order),
            "lease_seconds": LEASE_SECONDS,
        }
        killed = self._play(first, task, _until_charged(order), kill_when=self._after_tool(run_id))
        if not killed.killed:
            raise TimestepError(
                "The model did not call a tool, or was faster than the one who was to kill the"
                f" process; it said {killed.answer!r}. Run the demo again."
            )
        finisher = self._play(second, task, _from_there_on(order))
        report = TakeoverReport(run_id, [killed, finisher], self._steps(run_id))
        report.check()
        return report

    def _play(
        self,
        language: Language,
        task: dict[str, Any],
        answers: list[Step],
        *,
        kill_when: Callable[[Part], bool] | None = None,
    ) -> Part:
        environment = settings.inherited(
            PG_CONNECTION_URI=self.database.location.url, **self.model.environment(answers)
        )
        return play(language, task, environment=environment, tell=self.tell, kill_when=kill_when)

    def _after_tool(self, run_id: str) -> Callable[[Part], bool]:
        """Return when to kill: a tool has run, its result is recorded, the model is asked again."""

        def kill_when(part: Part) -> bool:
            if not part.calls or part.answer is not None:
                return False
            deadline = time.monotonic() + _RECORD_SECONDS
            while not any(step.kind == "tool" for step in self._steps(run_id)):
                if time.monotonic() > deadline:
                    raise TimestepError(
                        f"The {part.language} process did not record {part.calls[-1]} within"
                        f" {_RECORD_SECONDS:.0f} seconds."
                    )
                time.sleep(_POLL_SECONDS)
            self.tell(part, {"event": "recorded", "run_id": run_id})
            return True

        return kill_when

    def _steps(self, run_id: str) -> list[Recorded]:
        rows = self.database.fetch_sync(_RECORDED, run_id, repeatable=True)
        return [Recorded(**row) for row in rows]


def _until_charged(order: str) -> list[Step]:
    return [calls("charge_customer", order=order, amount="42.00 EUR"), thinks_for_ever()]


def _from_there_on(order: str) -> list[Step]:
    # asked for what is recorded already, it would give the wrong answer
    return [calls("ship_order", order=order), says(f"Order {order} is paid and on its way.")]
