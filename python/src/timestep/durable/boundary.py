"""The last turn boundary of a run, rebuilt from its journal."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from timestep.durable.beginning import Beginning
    from timestep.durable.execution import Execution


async def last_boundary(execution: "Execution", beginning: "Beginning") -> "Beginning | None":
    """Return where the turn in flight began; None if the segment is to be executed from its start."""
    return None
