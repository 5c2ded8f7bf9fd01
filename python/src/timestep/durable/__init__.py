"""Durable runs: they outlive their process, and either language finishes them.

The contract is `spec/durable-runs.md`.
"""

from timestep.durable.approvals import RunHandle, decide_approval, list_approvals, resume_run
from timestep.durable.configuration import QueueLimits, configure_dbos
from timestep.durable.launch import cleanup_dbos, ensure_dbos_launched
from timestep.durable.queue import QueuedRun, queue_agent_workflow
from timestep.durable.rate_limit import ModelRateLimit, set_rate_limit
from timestep.durable.result import WorkflowResult
from timestep.durable.runs import (
    cancel_run,
    delete_runs,
    get_run,
    list_run_steps,
    list_runs,
    run_agent_workflow,
)
from timestep.durable.schedule import (
    create_scheduled_agent_workflow,
    delete_schedule,
    list_schedules,
)
from timestep.durable.tools import durable_tool, idempotency_key, mark_at_most_once

__all__ = [
    "ModelRateLimit",
    "QueueLimits",
    "QueuedRun",
    "RunHandle",
    "WorkflowResult",
    "cancel_run",
    "cleanup_dbos",
    "configure_dbos",
    "create_scheduled_agent_workflow",
    "decide_approval",
    "delete_runs",
    "delete_schedule",
    "durable_tool",
    "ensure_dbos_launched",
    "get_run",
    "idempotency_key",
    "list_approvals",
    "list_run_steps",
    "list_runs",
    "list_schedules",
    "mark_at_most_once",
    "queue_agent_workflow",
    "resume_run",
    "run_agent_workflow",
    "set_rate_limit",
]
