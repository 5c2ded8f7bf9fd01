"""Asks the person at the terminal."""

from rich.console import Console
from rich.text import Text

from timestep.demo.part import Call
from timestep.demo.relay import Decision
from timestep.errors import TimestepError


class Person:
    """Whoever sits at the terminal.

    Args:
        on_error_output: Whether to ask on standard error, where standard output is for programs.
    """

    def __init__(self, *, on_error_output: bool) -> None:
        self._console = Console(stderr=on_error_output, highlight=False)

    def decide(self, call: Call) -> Decision:
        """Ask whether a call may be made, and after a no what the model is to be told.

        Raises:
            TimestepError: The input ended before there was an answer.
        """
        answer = self._ask(f"\n  Approve {call}? (y/n) ").lower()
        while answer not in ("y", "yes", "n", "no"):
            answer = self._ask("  Please answer y or n: ").lower()
        if answer.startswith("y"):
            return Decision(approve=True)
        message = self._ask("  What shall the model be told? (Enter: only that it was a no) ")
        return Decision(approve=False, message=message or None)

    def _ask(self, question: str) -> str:
        try:
            return self._console.input(Text(question, style="bold yellow")).strip()
        except EOFError:
            raise TimestepError(
                "Nothing was decided; the run is saved and waits. No refund was sent."
            ) from None
