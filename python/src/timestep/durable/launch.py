"""Starting and ending DBOS, and this process's life as an executor of durable runs."""

import asyncio
import atexit
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from dbos import DBOS, DBOSConfig

from timestep import settings
from timestep.database import open_database_sync
from timestep.database.address import parse_address
from timestep.database.connect import Connection, connect
from timestep.durable.configuration import (
    Configuration,
    Done,
    configuration,
    forget_configuration,
    new_executor_id,
)
from timestep.durable.dbos_logger import keep_quiet_at_the_end
from timestep.durable.dbos_queue import register_queues
from timestep.durable.process import Process, use_process
from timestep.durable.recording_runner import install
from timestep.durable.recovery import Heart
from timestep.errors import ConfigurationError, DatabaseUnavailableError

logger = logging.getLogger("timestep")

_MIGRATION_LOCK = 7470002
_LOCK_POLL_SECONDS = 0.1
_LOCK_WAIT_SECONDS = 120.0


@dataclass(frozen=True)
class Launched:
    """A launched DBOS, and who this process is in it."""

    process: Process
    heart: Heart
    loop: asyncio.AbstractEventLoop | None  # that runs are executed on; None: one of DBOS's own


_launched: Launched | None = None
_lock = threading.RLock()


def ensure_dbos_launched() -> Done[None]:
    """Start executing durable runs in this process; may be awaited.

    The first call brings the schemas up to date, starts DBOS and this process's heartbeat, and
    lets it take over runs of processes that died. Further calls do nothing. Called inside a
    running event loop, runs that are taken over or come from a queue are executed on that loop;
    otherwise on a loop of DBOS in a thread of its own.

    Raises:
        ConfigurationError: A setting cannot be used, or DBOS was launched by somebody else.
        DatabaseUnavailableError: There is no PostgreSQL.
    """
    launched()
    return Done(None)


def launched() -> Launched:
    """Return the launched DBOS of this process, launching it if need be."""
    global _launched
    with _lock:
        _end_with_its_loop()
        if _launched is None or _launched.heart.pid != os.getpid():
            _launched = _launch(configuration())
        return _launched


def is_launched() -> bool:
    """Return whether this process executes durable runs."""
    return _launched is not None


def cleanup_dbos() -> Done[None]:
    """Stop executing durable runs in this process; may be awaited.

    Runs that are under way here are left to be taken over, by another process or by this one
    after another launch. Then `configure_dbos` may be called anew. Without a launch this does
    nothing but that.
    """
    global _launched
    with _lock:
        if _launched is not None:
            ended, _launched = _launched, None
            _end(ended)
        forget_configuration()
    return Done(None)


def _end_with_its_loop() -> None:
    """End a launch whose event loop is closed: runs could not be executed on it any more."""
    global _launched
    # who waits for the lock ends the launch itself, or has done so
    if not _lock.acquire(blocking=False):
        return
    try:
        if _launched is not None and _is_closed(_launched.loop):
            ended, _launched = _launched, None
            _end(ended)
    finally:
        _lock.release()


def _is_closed(loop: asyncio.AbstractEventLoop | None) -> bool:
    return loop is not None and loop.is_closed()


def _end(here: Launched) -> None:
    here.process.putting.shutdown()
    here.heart.stop()
    DBOS.destroy()
    here.process.writer.close()
    use_process(None)
    _give_loop_an_executor()
    here.process.database.close_sync()


def _launch(configured: Configuration) -> Launched:
    _refuse_foreign_dbos()
    database = open_database_sync()
    try:
        url = _url_for_dbos(configured.system_database_url or database.location.url)
        with _alone(url):
            DBOS.migrate(url)
        executor_id = configured.executor_id or settings.text("DBOS__VMID") or new_executor_id()
        process = Process(configured, database, str(uuid.uuid4()), executor_id)
        loop = _running_loop()
        heart = Heart(process, is_over=lambda: _is_closed(loop), end=_end_with_its_loop)
        # all of it is there before DBOS hands out the first run
        use_process(process)
        install()
        heart.register()
        keep_quiet_at_the_end()
        DBOS(config=_dbos_config(configured, url, executor_id))
        DBOS.launch()
        register_queues(configured)
        heart.start()
    except BaseException:
        DBOS.destroy()
        use_process(None)
        database.close_sync()
        raise
    _before_threads_end(cleanup_dbos)
    logger.info("durable runs: executor %s of %s", executor_id, configured.application)
    return Launched(process, heart, loop)


def _before_threads_end(act: Callable[[], object]) -> None:
    """Do something when this process ends, while runs that are under way still have threads.

    Plain atexit comes after the threads of executors have ended, and DBOS logs what then fails.
    """
    getattr(threading, "_register_atexit", atexit.register)(act)


def _give_loop_an_executor() -> None:
    """Replace DBOS's threads, which have ended, as those of the running event loop."""
    if (loop := _running_loop()) is not None:
        loop.set_default_executor(ThreadPoolExecutor(thread_name_prefix="asyncio"))


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _refuse_foreign_dbos() -> None:
    # DBOS has no public way to ask
    from dbos import _dbos as dbos_module  # pyright: ignore[reportPrivateUsage]

    if dbos_module._dbos_global_instance is not None:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        raise ConfigurationError(
            "DBOS was set up in this process by somebody else. Let configure_dbos() set it up:"
            " further fields of DBOSConfig may be passed to it."
        )


def _dbos_config(configured: Configuration, url: str, executor_id: str) -> DBOSConfig:
    defaults = {
        "name": configured.application,
        "system_database_url": url,
        "application_version": configured.application_version,
        "executor_id": executor_id,
        "run_migrations": False,
        "sys_db_pool_size": 8,
        "log_level": "ERROR",  # it warns of every run that is stopped with its event loop
        "scheduler_polling_interval_sec": 5.0,
    }
    return cast("DBOSConfig", {**defaults, **configured.dbos_options})


def _url_for_dbos(url: str) -> str:
    return url.replace("postgres://", "postgresql://", 1) if url.startswith("postgres:") else url


@contextmanager
def _alone(url: str) -> Generator[None]:
    """Hold the lock under which DBOS's migrations run.

    It is polled for: a session that waits in pg_advisory_lock() holds a snapshot, for which the
    CREATE INDEX CONCURRENTLY of the one that migrates would wait in turn.
    """
    with connect(parse_address(url), source="system_database_url") as connection:
        deadline = time.monotonic() + _LOCK_WAIT_SECONDS
        while not _locked(connection):
            if time.monotonic() > deadline:
                raise DatabaseUnavailableError(
                    "Another process has been migrating the schema of DBOS for"
                    f" {_LOCK_WAIT_SECONDS:.0f} seconds (advisory lock {_MIGRATION_LOCK}). Look"
                    " for it in pg_locks."
                )
            time.sleep(_LOCK_POLL_SECONDS)
        yield


def _locked(connection: Connection) -> bool:
    row = connection.execute("select pg_try_advisory_lock(%s) as ours", [_MIGRATION_LOCK])
    return bool((locked := row.fetchone()) and locked["ours"])
