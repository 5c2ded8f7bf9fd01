"""Agents that outlive their process and their language.

The names are loaded when they are first used: the command line and the database layer need not wait
for the Agents SDK.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from timestep.errors import (
    AgentMismatchError,
    ApprovalConflictError,
    ArgumentsChangedError,
    ConfigurationError,
    DatabaseTooNewError,
    DatabaseUnavailableError,
    NotDurableError,
    NotPortableError,
    RunOwnershipLostError,
    RunStateNotFoundError,
    StateConflictError,
    TimestepError,
)

if TYPE_CHECKING:
    from timestep.durable.approvals import decide_approval
    from timestep.durable.configuration import QueueLimits, configure_dbos
    from timestep.durable.endings import cancel_run, delete_runs
    from timestep.durable.launch import cleanup_dbos, ensure_dbos_launched
    from timestep.durable.queue import QueuedRun, queue_agent_workflow
    from timestep.durable.rate_limit import ModelRateLimit, set_rate_limit
    from timestep.durable.reading import (
        get_run,
        list_approvals,
        list_run_steps,
        list_runs,
        list_schedules,
    )
    from timestep.durable.records import ApprovalRecord, RunRecord, ScheduleRecord, StepRecord
    from timestep.durable.result import WorkflowResult
    from timestep.durable.resuming import RunHandle, resume_run
    from timestep.durable.runs import run_agent_workflow
    from timestep.durable.schedule import create_scheduled_agent_workflow, delete_schedule
    from timestep.durable.tools import durable_tool, idempotency_key, mark_at_most_once
    from timestep.models import MultiModelProvider, MultiModelProviderMap, OllamaModelProvider
    from timestep.run_state.store import RunStateStore
    from timestep.runner import default_result_processor, run_agent
    from timestep.session import Session
    from timestep.tools import web_search

__all__ = [
    "AgentMismatchError",
    "ApprovalConflictError",
    "ApprovalRecord",
    "ArgumentsChangedError",
    "ConfigurationError",
    "DatabaseTooNewError",
    "DatabaseUnavailableError",
    "ModelRateLimit",
    "MultiModelProvider",
    "MultiModelProviderMap",
    "NotDurableError",
    "NotPortableError",
    "OllamaModelProvider",
    "QueueLimits",
    "QueuedRun",
    "RunHandle",
    "RunOwnershipLostError",
    "RunRecord",
    "RunStateNotFoundError",
    "RunStateStore",
    "ScheduleRecord",
    "Session",
    "StateConflictError",
    "StepRecord",
    "TimestepError",
    "WorkflowResult",
    "cancel_run",
    "cleanup_dbos",
    "configure_dbos",
    "create_scheduled_agent_workflow",
    "decide_approval",
    "default_result_processor",
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
    "run_agent",
    "run_agent_workflow",
    "set_rate_limit",
    "web_search",
]

_HOME = {
    "ApprovalRecord": "timestep.durable.records",
    "ModelRateLimit": "timestep.durable.rate_limit",
    "MultiModelProvider": "timestep.models",
    "MultiModelProviderMap": "timestep.models",
    "OllamaModelProvider": "timestep.models",
    "QueueLimits": "timestep.durable.configuration",
    "QueuedRun": "timestep.durable.queue",
    "RunHandle": "timestep.durable.resuming",
    "RunRecord": "timestep.durable.records",
    "RunStateStore": "timestep.run_state.store",
    "ScheduleRecord": "timestep.durable.records",
    "Session": "timestep.session",
    "StepRecord": "timestep.durable.records",
    "WorkflowResult": "timestep.durable.result",
    "cancel_run": "timestep.durable.endings",
    "cleanup_dbos": "timestep.durable.launch",
    "configure_dbos": "timestep.durable.configuration",
    "create_scheduled_agent_workflow": "timestep.durable.schedule",
    "decide_approval": "timestep.durable.approvals",
    "default_result_processor": "timestep.runner",
    "delete_runs": "timestep.durable.endings",
    "delete_schedule": "timestep.durable.schedule",
    "durable_tool": "timestep.durable.tools",
    "ensure_dbos_launched": "timestep.durable.launch",
    "get_run": "timestep.durable.reading",
    "idempotency_key": "timestep.durable.tools",
    "list_approvals": "timestep.durable.reading",
    "list_run_steps": "timestep.durable.reading",
    "list_runs": "timestep.durable.reading",
    "list_schedules": "timestep.durable.reading",
    "mark_at_most_once": "timestep.durable.tools",
    "queue_agent_workflow": "timestep.durable.queue",
    "resume_run": "timestep.durable.resuming",
    "run_agent": "timestep.runner",
    "run_agent_workflow": "timestep.durable.runs",
    "set_rate_limit": "timestep.durable.rate_limit",
    "web_search": "timestep.tools",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'timestep' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return __all__
