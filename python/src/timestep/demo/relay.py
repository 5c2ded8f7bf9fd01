"""One run from language to language: each plays until the agent asks, then the next goes on."""

import itertools
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from timestep import settings
from timestep.database import Database
from timestep.demo.languages import Language
from timestep.demo.model import NAME, Model, calls, says
from timestep.demo.part import Call, Event, Part, play
from timestep.errors import TimestepError
from timestep.testing import Step

COMPLAINT = "Order {order} arrived broken. I want my money back."
MOST_PARTS = 6
_IN_HISTORY = (
    "select count(*) filter (where type = 'function_call') as calls,"
    " count(*) filter (where type = 'function_call_output') as results"
    " from timestep.session_items where session_id = %s and call_id in"
    " (select call_id from timestep.approvals where session_id = %s)"
)


@dataclass(frozen=True)
class Decision:
    """What a person said to a call.

    Attributes:
        approve: Whether it may be made.
        message: What the model is told after a no (None: the SDK's words).
    """

    approve: bool
    message: str | None = None


@dataclass(frozen=True)
class Report:
    """What became of the run.

    Attributes:
        session_id: Where it is found in the database.
        parts: What each process did, in order.
        decisions: What was decided on the calls, in order.
        calls_in_history: How many calls that waited for approval the session's history holds.
        results_in_history: How many results of such calls.
    """

    session_id: str
    parts: list[Part]
    decisions: list[Decision]
    calls_in_history: int
    results_in_history: int

    @property
    def refunds(self) -> list[Part]:
        """The process of each refund that was sent."""
        return [part for part in self.parts for call in part.calls if call.tool == "send_refund"]

    @property
    def approved(self) -> int:
        """How many refunds were approved."""
        return sum(decision.approve for decision in self.decisions)

    def check(self) -> None:
        """Make sure that every approved refund was sent once and no other was.

        Raises:
            TimestepError: That is not so.
        """
        found = (len(self.refunds), self.calls_in_history, self.results_in_history)
        if found != (self.approved, len(self.decisions), len(self.decisions)):
            raise TimestepError(
                f"Session {self.session_id}: {self.approved} of {len(self.decisions)} refunds were "
                f"approved, but {found[0]} sent; the history holds {found[1]} calls and "
                f"{found[2]} results."
            )

    def document(self) -> dict[str, Any]:
        """Return the report as plain data."""
        proof = {"approved": self.approved, "sent": len(self.refunds)}
        return {**asdict(self), "refunds": proof}


@dataclass(frozen=True, kw_only=True)
class Relay:
    """Plays runs.

    Attributes:
        model: What answers the agent.
        database: Where the state lies.
        decide: Asked about each call that waits.
        tell: Told of what happens, as it happens.
    """

    model: Model
    database: Database
    decide: Callable[[Call], Decision]
    tell: Callable[[Part, Event], None]

    def run(self, languages: Sequence[Language], order: str) -> Report:
        """Play one run: the first language begins it, and at each pause the next takes over.

        Raises:
            TimestepError: A process failed, the model never asked for the refund or did not stop
                asking, or something was done twice.
        """
        session_id = f"demo-{uuid.uuid4()}"
        parts, decisions = list[Part](), list[Decision]()
        task: dict[str, Any] = {
            "session_id": session_id,
            "model": NAME,
            "input": COMPLAINT.format(order=order),
        }
        decided: list[Decision] | None = None
        for language in itertools.islice(itertools.cycle(languages), MOST_PARTS):
            part = play(
                language, task, environment=self._environment(order, decided), tell=self.tell
            )
            parts.append(part)
            if part.answer is not None:
                return self._report(session_id, parts, decisions)
            decided = [self.decide(call) for call in part.waiting]
            decisions += decided
            task = {
                **task,
                "input": None,
                "version": part.version,
                "decisions": [asdict(each) for each in decided],
            }
        raise TimestepError(
            f"The agent asked again and again; the run of session {session_id} is left paused."
        )

    def _environment(self, order: str, decided: list[Decision] | None) -> dict[str, str]:
        answers = _opening(order) if decided is None else _end(decided)
        return settings.inherited(
            PG_CONNECTION_URI=self.database.location.url, **self.model.environment(answers)
        )

    def _report(self, session_id: str, parts: list[Part], decisions: list[Decision]) -> Report:
        if len(parts) == 1:
            raise TimestepError(
                "The model answered without asking for the refund, so there was nothing to hand "
                f"over: {parts[0].answer!r}. Run the demo again."
            )
        history = self.database.fetch_sync(_IN_HISTORY, session_id, session_id, repeatable=True)[0]
        report = Report(session_id, parts, decisions, history["calls"], history["results"])
        report.check()
        return report


def _opening(order: str) -> list[Step]:
    return [
        calls("look_up_order", order=order),
        calls("send_refund", order=order, amount="42.00 EUR"),
    ]


def _end(decided: list[Decision]) -> list[Step]:
    paid = all(decision.approve for decision in decided)
    return [says("You have your 42.00 EUR back." if paid else "The refund was turned down.")]
