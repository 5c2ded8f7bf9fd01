"""The heartbeat of this process, and the reaper that goes on with the runs of dead ones.

- Who decides: PostgreSQL (`adopt_runs_v1`): of any number of reapers one gets an orphan.
- What time means: the lease is renewed every sixth of its length by a thread of its own, so that
  a busy event loop does not lose it. The database's clock counts.
- On failure: a process that could not renew its lease for as long as the lease stops its runs, for
  another may have taken them. When the database is back, it takes what is left.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from dbos import DBOS, SetWorkflowID

from timestep.durable.dbos_queue import enqueue_options
from timestep.durable.execution import is_waited_for, run_agent_body
from timestep.durable.process import Process
from timestep.durable.registry import registered_names

logger = logging.getLogger("timestep")

_BEATS_PER_LEASE = 6
_ADOPTED_AT_ONCE = 10
# by a process that died before it could let the run go on
_EXPIRED_BEFORE = (
    "select distinct r.run_id from timestep.approvals a join timestep.runs r"
    " on r.run_id = a.run_id and r.state_session_id = a.session_id and r.state_version = a.version"
    " where a.status = 'expired' and a.decided_at > clock_timestamp() - interval '1 day'"
    " and r.status = 'interrupted' and not exists (select from timestep.approvals p where"
    " p.session_id = a.session_id and p.version = a.version and p.status = 'pending')"
)


class Heart:
    """The thread that keeps this process alive in the eyes of the others, and looks after them.

    Args:
        process: This process.
        is_over: Whether runs cannot be executed here any more, since their event loop has ended.
        end: What is to be done then.
    """

    def __init__(
        self, process: Process, *, is_over: Callable[[], bool], end: Callable[[], object]
    ) -> None:
        self.process = process
        self._is_over = is_over
        self._end = end
        self.pid = os.getpid()
        self._lease = process.configuration.lease_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._live, name="timestep-heart", daemon=True)
        self._suspects: set[str] = set()
        self._beats = 0

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """End, and let others take over at once what is still under way here."""
        self._stopped.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(self._lease)
        for execution in list(self.process.active.values()):
            execution.stop()
        try:
            self.process.database.fetch_sync(
                "select timestep.stop_executor_v1(%s)", self.process.instance
            )
        except Exception as error:  # noqa: BLE001 - the lease runs out by itself
            logger.warning("this executor could not be signed off: %s", error)

    def _live(self) -> None:
        beat = self._lease / _BEATS_PER_LEASE
        pause = 0.0  # what a process of the same name has left behind is taken at once
        while not self._stopped.wait(pause):
            pause = beat
            if self._is_over():
                self._end()
                return
            try:
                self._beat()
            except Exception as error:  # noqa: BLE001 - the database may be back at the next beat
                logger.warning("heartbeat failed: %s", error)
                if not self.process.is_alive():
                    self._stop_runs()

    def _beat(self) -> None:
        began = time.monotonic()
        rows = self._fetch(
            "select timestep.keep_executor_alive_v1(%s, %s) as alive",
            self.process.instance,
            self._lease,
        )
        if not rows[0]["alive"]:
            # stopped by a process of the same executor id, which has our runs now
            self._stop_runs()
            self.register()
        self.process.alive_until = began + self._lease
        self._stop_lost_runs()
        self._adopt()
        self._resume_expired("select run_id from timestep.expire_approvals_v1() as run_id")
        self._beats += 1
        if self._beats % _BEATS_PER_LEASE == 0:
            self._free_dequeued()
            self._resume_expired(_EXPIRED_BEFORE)

    def register(self) -> None:
        """Say that this process executes runs."""
        process, configured = self.process, self.process.configuration
        began = time.monotonic()
        self._fetch(
            "select timestep.register_executor_v1(%s, %s, %s, 'python', %s, %s, %s)",
            process.instance,
            process.executor_id,
            configured.application,
            socket.gethostname(),
            os.getpid(),
            self._lease,
        )
        process.alive_until = began + self._lease

    def _stop_runs(self) -> None:
        for execution in list(self.process.active.values()):
            logger.warning("run %s: stopped here, the lease ran out", execution.journal.run_id)
            execution.stop()

    def _stop_lost_runs(self) -> None:
        """Stop what was cancelled or taken; release what is ours in the table but not in fact."""
        executing = dict(self.process.active)
        rows = self._fetch(
            "select run_id, epoch, status from timestep.runs"
            " where owner = %s and status in ('pending', 'running')",
            self.process.instance,
        )
        mine = {row["run_id"]: row for row in rows}
        for run_id, execution in executing.items():
            epoch = mine[run_id]["epoch"] if run_id in mine else None
            ended = execution.settling or self.process.active.get(run_id) is not execution
            if epoch != execution.journal.epoch and not ended:
                execution.stop()
        idle = {run for run in mine if not self.process.has(run) and not is_waited_for(run)}
        for run_id in idle & self._suspects:
            self._fetch("select timestep.release_run_v1(%s, %s)", run_id, mine[run_id]["epoch"])
        self._suspects = idle - self._suspects

    def _adopt(self) -> None:
        names = registered_names()
        if not names:
            return
        until = time.monotonic() + self._lease / _BEATS_PER_LEASE
        while time.monotonic() < until:
            orphans = self._fetch(
                "select * from timestep.adopt_runs_v1(%s, 'python', %s, %s)",
                self.process.instance,
                names,
                _ADOPTED_AT_ONCE,
            )
            going_on = [orphan for orphan in orphans if orphan["status"] != "failed"]
            for orphan in going_on:
                self._continue(orphan)
            self._end_workflows([o["workflow_id"] for o in going_on if o["queue_name"] is None])
            if len(orphans) < _ADOPTED_AT_ONCE:
                return

    def _continue(self, orphan: dict[str, Any]) -> None:
        run_id = orphan["run_id"]
        if orphan["queue_name"] is not None:
            options = enqueue_options(
                self.process.configuration,
                run_id=run_id,
                queue_name=orphan["queue_name"],
                language="python",
            )
            DBOS.enqueue_workflow_with_options(options, {"run_id": run_id, "segment": 0})
            self._fetch("select timestep.mark_enqueued_v1(%s)", run_id)
            return
        logger.info("run %s: its process is gone, it goes on here", run_id)
        with SetWorkflowID(f"{run_id}#{orphan['epoch']}"):
            DBOS.start_workflow(
                run_agent_body,
                {"run_id": run_id, "segment": orphan["segment"], "epoch": orphan["epoch"]},
            )

    def _end_workflows(self, ids: list[str | None]) -> None:
        """Have DBOS note that the workflows of dead processes are over.

        Those of this process's own name are left: DBOS itself executes them here again, and they
        end, since their runs are taken.
        """
        known = [each for each in ids if each is not None]
        if not known:
            return
        for workflow in DBOS.list_workflows(workflow_ids=known, status="PENDING", load_input=False):
            if workflow.executor_id != self.process.executor_id:
                DBOS.cancel_workflow(workflow.workflow_id)

    def _free_dequeued(self) -> None:
        """Put back in its queue what a process took from it and died before it claimed the run."""
        waiting = self._fetch(
            "select case segment when 0 then run_id else run_id || ':r' || segment end as id"
            " from timestep.runs where status = 'pending' and owner is null"
            " and language = 'python'"
            " and updated_at < clock_timestamp() - make_interval(secs => %s)"
            " order by updated_at limit 100",
            self._lease,
        )
        if not waiting:
            return
        taken = DBOS.list_workflows(
            workflow_ids=[row["id"] for row in waiting], status="PENDING", load_input=False
        )
        alive = self._fetch(
            "select executor_id from timestep.executors where application = %s"
            " and stopped_at is null and alive_until > clock_timestamp()",
            self.process.configuration.application,
        )
        names = {row["executor_id"] for row in alive}
        for workflow in taken:
            if workflow.executor_id not in names:
                DBOS.resume_workflow(workflow.workflow_id)

    def _resume_expired(self, found: str) -> None:
        """Let runs go on whose approvals have expired."""
        from timestep.durable.resuming import resume_expired

        for row in self._fetch(found):
            try:
                resume_expired(self.process, row["run_id"])
            except Exception as error:  # noqa: BLE001 - the others do not wait for this one
                logger.warning("run %s: its approvals have expired: %s", row["run_id"], error)

    def _fetch(self, statement: str, *values: object) -> list[dict[str, Any]]:
        return self.process.database.fetch_sync(statement, *values, repeatable=True)
