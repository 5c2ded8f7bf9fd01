"""A run that is paused in one language and finished in the other, to watch and take part in."""

from timestep.demo.languages import python, typescript
from timestep.demo.model import chosen_model
from timestep.demo.part import Call
from timestep.demo.person import Person
from timestep.demo.relay import Decision, Relay
from timestep.demo.stage import Stage

__all__ = [
    "Call",
    "Decision",
    "Person",
    "Relay",
    "Stage",
    "chosen_model",
    "python",
    "typescript",
]
