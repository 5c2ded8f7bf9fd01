"""The right to resume one saved version of a run, and how it is kept, passed on and lost.

States of a version: saved -> claimed -> done (SQL: timestep.claim_run_state_v1).

- Who decides: PostgreSQL. Of any number of processes that claim a version, one gets it.
- What time means: a claim is a lease of 30 seconds, renewed every 10 by a thread of its own, so
  that a busy event loop does not lose it. The database's clock counts.
- When the holder dies, the lease runs out and another process may claim the same version. What
  the dead one had written to sessions is removed then; calls of tools that it had made since the
  claim may be made again.
- When the holder was only slow and was taken over, its next save or append fails and its run is
  stopped with StateConflictError.
"""

import asyncio
import contextlib
import logging
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from timestep.database import Database
from timestep.errors import StateConflictError

logger = logging.getLogger("timestep")

LEASE_SECONDS = 30.0
RENEW_SECONDS = 10.0

_WHY = {
    "missing": "it is no longer there",
    "moved": "a newer version was saved since",
    "claimed": "another process is resuming it right now",
    "done": "it was resumed already and has ended",
}


@dataclass
class Claim:
    """A claim that this process holds on the newest version of a session's run."""

    database: Database
    session_id: str
    version: int
    token: str
    held: bool = True  # whether this process may still save under the claim
    is_lost: bool = False  # whether it went to another process, or was not renewed in time

    @classmethod
    async def take(cls, database: Database, session_id: str, version: int) -> "Claim":
        """Return the claim on a saved version.

        Raises:
            StateConflictError: The version cannot be resumed (any more); the message says why.
        """
        token = str(uuid.uuid4())
        rows = await database.fetch(
            "select * from timestep.claim_run_state_v1(%s, %s, %s, %s)",
            session_id,
            version,
            token,
            LEASE_SECONDS,
        )
        if not rows[0]["claimed"]:
            raise conflict(session_id, version, str(rows[0]["conflict"]), "resume")
        if rows[0]["taken_over"]:
            logger.warning(
                "session %s, version %s: the process that was resuming this run is gone;"
                " calls of tools that it had made since then may be made again",
                session_id,
                version,
            )
        return cls(database=database, session_id=session_id, version=version, token=token)

    async def end(self) -> None:
        """End the claim and the run, which has finished."""
        self.held = False
        await self.database.fetch(
            "select timestep.end_run_state_claim_v1(%s, 'done')", self.token, repeatable=True
        )

    @contextlib.contextmanager
    def renewed(self, on_loss: Callable[[], object]):
        """Renew the lease until the block ends; call `on_loss` on the event loop if it is lost."""
        loop = asyncio.get_running_loop()
        ended = threading.Event()

        def renew() -> None:
            renewed_at = time.monotonic()
            while not ended.wait(RENEW_SECONDS):
                if self._renew():
                    renewed_at = time.monotonic()
                elif self.is_lost or time.monotonic() - renewed_at > LEASE_SECONDS:
                    self.held, self.is_lost = False, True
                    loop.call_soon_threadsafe(on_loss)
                    return

        thread = threading.Thread(target=renew, name="timestep-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()

    def _renew(self) -> bool:
        try:
            rows = self.database.fetch_sync(
                "select timestep.renew_run_state_claim_v1(%s, %s) as renewed",
                self.token,
                LEASE_SECONDS,
            )
        except Exception as error:  # noqa: BLE001 - an unreachable database may be back before the lease ends
            logger.warning("session %s: lease not renewed: %s", self.session_id, error)
            return False
        renewed = bool(rows[0]["renewed"])
        if not renewed and self.held:
            self.is_lost = True
        return renewed


def conflict(session_id: str, version: int | None, why: str, action: str) -> StateConflictError:
    """Return the error for a version that cannot be resumed or saved."""
    named = f"version {version} of " if version is not None else ""
    return StateConflictError(
        f"Cannot {action} {named}the run of session {session_id}: {_WHY[why]}. Nothing was"
        " changed. Load the session's state again to see where the run stands."
    )


def lost(claim: Claim) -> StateConflictError:
    """Return the error for a run that was stopped because its claim was taken over."""
    return StateConflictError(
        f"The run of session {claim.session_id} was stopped: its claim on version {claim.version}"
        " was lost, because it could not be renewed in time or another process took it over."
        " Load the session's state again to see where the run stands."
    )
