"""Ten processes of both languages that launch at once on a database in which nothing is."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from timestep.testing import ModelServer

from .world import LANGUAGES, Spares, World


def test_ten_processes_launch_at_once(
    empty_database_url: str, model_server: ModelServer, spares: Spares, tmp_path: Path
) -> None:
    journal = tmp_path / "journal"
    journal.touch()
    world = World(empty_database_url, model_server, journal, spares)
    try:
        # ready first, so that they launch in the same moment
        workers = [spares.take(language) for language in LANGUAGES * 5]
        world.workers += workers
        with ThreadPoolExecutor(len(workers)) as pool:
            list(pool.map(world.launch, workers))
        assert world.rows(
            "select language, count(distinct instance) as processes from timestep.executors"
            " where stopped_at is null group by language order by language"
        ) == [{"language": language, "processes": 5} for language in ("python", "typescript")]
    finally:
        world.dismiss()
