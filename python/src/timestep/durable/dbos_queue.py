"""Queues as DBOS keeps them, with the limits that this process was configured with."""

from dbos import DBOS, EnqueueOptions, WorkflowSerializationFormat

from timestep.durable.configuration import (
    DEFAULT_QUEUE,
    JOURNAL_VERSION,
    Configuration,
    application_of,
)
from timestep.durable.in_thread import in_thread

POLLING_SECONDS = 0.2


def register_queue(configuration: Configuration, name: str | None) -> None:
    """Make a queue known to DBOS, with its limits, from a thread."""
    limits = configuration.queues.get(name or DEFAULT_QUEUE, {})
    full_name = configuration.queue(name)
    DBOS.register_queue(
        full_name,
        global_concurrency=limits.get("concurrency"),
        worker_concurrency=limits.get("worker_concurrency"),
        polling_interval_sec=limits.get("polling_seconds", POLLING_SECONDS),
        on_conflict="always_update" if name in configuration.queues else "never_update",
    )


def register_queues(configuration: Configuration) -> None:
    """Make the default queue and those with limits known to DBOS."""

    def register() -> None:
        for name in {DEFAULT_QUEUE, *configuration.queues}:
            register_queue(configuration, name)

    in_thread(register)


def enqueue_options(
    configuration: Configuration, *, run_id: str, queue_name: str | None, language: str
) -> EnqueueOptions:
    """Return how DBOS is told of a run in a queue."""
    application = application_of(configuration.name, language)
    return {
        "queue_name": configuration.queue(queue_name, language),
        "workflow_name": "timestep.run_agent",
        "workflow_id": run_id,
        "application_name": application,
        "app_version": f"{application}@journal-{JOURNAL_VERSION}",
        "serialization_type": WorkflowSerializationFormat.PORTABLE,
    }
