"""Runs that one language begins and the other finishes, to watch and take part in."""

from timestep.demo.languages import python, typescript
from timestep.demo.model import chosen_model
from timestep.demo.part import Call
from timestep.demo.person import Person
from timestep.demo.relay import Decision, Relay
from timestep.demo.stage import Stage
from timestep.demo.takeover import Takeover

__all__ = [
    "Call",
    "Decision",
    "Person",
    "Relay",
    "Stage",
    "Takeover",
    "chosen_model",
    "python",
    "typescript",
]
