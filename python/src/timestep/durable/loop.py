"""Where in a durable run the code is that runs right now."""

from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from timestep.durable.journal import Journal, model_key, tool_path

if TYPE_CHECKING:
    from timestep.durable.execution import Execution


@dataclass
class Loop:
    """One agent loop: the outermost of a run, or one that runs inside a tool call."""

    execution: "Execution"
    path: str
    ordinal: int = 0  # how many model responses the loop has
    added: int = 0  # how many items it has added to its session
    agent: str = ""  # whose turn it is
    must_stay_whole: bool = False  # a model of it is told when the SDK's loop ends
    is_watched: bool = True  # code of the caller may see a model's answer before a tool is called

    @property
    def journal(self) -> Journal:
        """The journal of the run."""
        return self.execution.journal

    def next_model_key(self) -> str:
        """Return the key of the next model call."""
        return model_key(self.path, self.ordinal)


@dataclass
class Frame:
    """A place from which agent loops may begin: the run itself, or a tool call of it."""

    execution: "Execution"
    path: str
    loops: list[Loop] = field(default_factory=list[Loop])
    interrupted: bool = False

    def begin_loop(self) -> Loop:
        """Return a new loop at this place."""
        number = len(self.loops) + 1
        path = self.path if number == 1 else f"{self.path}~{number}"
        loop = Loop(self.execution, path)
        self.loops.append(loop)
        return loop


def frame_of_call(loop: Loop, call_id: str) -> Frame:
    """Return the place inside a tool call."""
    return Frame(loop.execution, tool_path(loop.path, call_id))


current_loop: ContextVar[Loop | None] = ContextVar("timestep_loop", default=None)
current_frame: ContextVar[Frame | None] = ContextVar("timestep_frame", default=None)
