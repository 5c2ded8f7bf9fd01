"""What the model says in a run, so that its answer depends on what it is asked alone.

An answer is a script of its own at the model server, `<run>-<outputs>`, where `outputs` is how many
outputs of calls the request has; worker.py names it in a header. A script holds the same answer
several times: a process that takes a run over may ask once more, and is counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from timestep.testing import JournalEntry, ModelServer, Step

GATE = "gate"
COPIES = 4  # a question that comes this often is an error of its own


def call(name: str, call_id: str, **arguments: object) -> dict[str, Any]:
    """Return a function call of the model's."""
    return {"type": "function_call", "name": name, "arguments": arguments, "call_id": call_id}


def says(*output: dict[str, Any] | str) -> Step:
    """Return an answer of the model's."""
    items = [
        {"type": "message", "text": item, "id": f"msg_{item.replace(' ', '_')}"}
        if isinstance(item, str)
        else {**item, "id": f"fc_{item['call_id']}"}
        for item in output
    ]
    return {"output": items, "usage": {"input_tokens": 10, "output_tokens": 1}}


@dataclass
class Story:
    """One run as the model sees it.

    Attributes:
        run: The run, which the first message names.
        turns: The answers to the run's own agents.
        inner: The answers to the agent that runs as a tool; its input names `<run>.inner`.
    """

    server: ModelServer
    run: str
    turns: list[Step]
    inner: list[Step] = field(default_factory=list[Step])

    def tell(self, *, hold: str | None = None, copies: int = COPIES) -> None:
        """Let the model say this from now on.

        Args:
            hold: The script whose first request is held (None).
            copies: How often each question may be asked (4).
        """
        for script, step in self.scripts():
            steps: list[Step] = [step] * copies
            if script == hold:
                steps[0] = {**step, "hold": GATE}
            self.server.script(script, steps)

    def scripts(self) -> Iterator[tuple[str, Step]]:
        """Yield each script with its answer, in the order in which they are asked for."""
        for name, steps in ((self.run, self.turns), (f"{self.run}.inner", self.inner)):
            outputs = 0
            for step in steps:
                yield f"{name}-{outputs}", step
                outputs += sum(item["type"] == "function_call" for item in step.get("output", []))

    def requests(self) -> list[JournalEntry]:
        """Return what was asked, of every script."""
        return [entry for script, _ in self.scripts() for entry in self.server.requests(script)]

    def forget(self) -> None:
        """Remove the scripts; requests that are held go on."""
        for script, _ in self.scripts():
            self.server.remove(script)


def long_story(server: ModelServer, run: str) -> Story:
    """Return six turns with two parallel tools each, a handoff, a nested agent and an approval."""
    return Story(
        server,
        run,
        turns=[
            says(call("look", "c1", n=1), call("mail", "c2", n=2)),
            says(call("research", "c3", input=f"Find out [{run}.inner]."), call("look", "c4", n=4)),
            says(call("transfer_to_billing", "c5")),
            says(call("look", "c6", n=6), call("refund", "c7", n=7)),
            says(call("look", "c8", n=8), call("mail", "c9", n=9)),
            says("all done"),
        ],
        inner=[says(call("fetch", "n1", n=1), call("look", "n2", n=2)), says("found")],
    )
