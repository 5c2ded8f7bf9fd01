"""A real PostgreSQL that Timestep starts when nothing else is configured.

It belongs to the user, not to a process: whoever needs it first starts it, whoever leaves last
stops it, in Python and in TypeScript alike. The rules are those of spec/embedded-server.md.
"""

from timestep.database.embedded.presence import (
    EmbeddedServer,
    attach,
    find_running,
    keep_running,
    stop_for_good,
)
from timestep.database.embedded.server import ServerStatus, status

__all__ = [
    "EmbeddedServer",
    "ServerStatus",
    "attach",
    "find_running",
    "keep_running",
    "status",
    "stop_for_good",
]
