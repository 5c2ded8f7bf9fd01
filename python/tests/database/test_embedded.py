"""The embedded server: shared by processes, stopped by the last, back after every kind of crash."""

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from support import processes
from support.postgres import clean_environment, execute, new_data_folder
from support.waiting import until
from timestep.database import embedded
from timestep.database.embedded import server
from timestep.database.embedded.binaries import find_binaries
from timestep.database.embedded.cluster import Cluster

AS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
LIMIT = 240  # seconds for a process that may have to wait for a server on a busy machine
ATTACH = """
import sys
from timestep.database import embedded
print(embedded.attach().url, flush=True)
sys.stdin.readline()
"""
OPEN = """
import sys
from timestep.database import open_database_sync
database = open_database_sync()
print(database.location.url, flush=True)
for line in sys.stdin:
    print(database.fetch_sync(line, repeatable=True)[0], flush=True)
"""


@pytest.fixture
def empty_folder() -> Iterator[Path]:
    with new_data_folder() as made:
        yield made
        stop(made)


@pytest.fixture(scope="module")
def used_folder() -> Iterator[Path]:
    """Yield a folder in which a server has been; making one takes longer than copying it."""
    with new_data_folder() as made:
        process = launch(made)
        attached(process)
        leave(process)
        wait_for_end(made)
        yield made


@pytest.fixture
def folder(empty_folder: Path, used_folder: Path) -> Path:
    # As root, the data belongs to the user that the server runs as, and has to go on doing so.
    subprocess.run(["cp", "-a", str(used_folder / "postgres"), str(empty_folder)], check=True)
    return empty_folder


def environment(folder: Path, **variables: str) -> dict[str, str]:
    # Port 1 is nobody's: the server on localhost is left out of these tests.
    return clean_environment(TIMESTEP_DATA_DIR=str(folder), PGPORT="1", **variables)


def launch(folder: Path, program: str = ATTACH, *arguments: str, **variables: str):
    return processes.launch(program, *arguments, env=environment(folder, **variables))


def attached(process: subprocess.Popen) -> str:
    """Return the address that the process attached to."""
    assert process.stdout
    url = process.stdout.readline().strip()
    assert url, process.communicate()[1]
    return url


def leave(process: subprocess.Popen) -> None:
    output, errors = process.communicate("\n", timeout=LIMIT)
    assert (process.returncode, output, errors) == (0, "", "")


def stop(folder: Path) -> None:
    """Stop the server if it still runs, or the folder cannot be removed."""
    for found in folder.glob("postgres/*/data/postmaster.pid"):
        process = int(found.read_text().splitlines()[0])
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGINT)
        until(lambda found=found, process=process: not found.exists() or is_dead(process))


def is_dead(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes() == b""
    except FileNotFoundError:
        return True


@pytest.fixture
def state(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    monkeypatch.setenv("TIMESTEP_DATA_DIR", str(folder))
    return lambda: embedded.status().state


def pid_file(folder: Path) -> Path:
    (found,) = folder.glob("postgres/*/data")
    return found / "postmaster.pid"


def server_process(folder: Path) -> int:
    return int(pid_file(folder).read_text().splitlines()[0])


def wait_for_end(folder: Path) -> None:
    until(lambda: not pid_file(folder).exists(), seconds=60)


def test_the_last_process_to_leave_stops_the_server(folder: Path) -> None:
    first = launch(folder)
    url = attached(first)
    second = launch(folder)
    assert attached(second) == url
    leave(first)
    assert execute(url, "select 1") == [(1,)]
    leave(second)
    wait_for_end(folder)


def test_the_server_is_closed_to_others_and_to_the_outside(folder: Path) -> None:
    process = launch(folder)
    url = attached(process)
    (cluster,) = folder.glob("postgres/[0-9]*")
    assert (cluster / "password").stat().st_mode & 0o777 == 0o600
    assert (cluster / "password").stat().st_uid == os.getuid()
    assert (cluster / "data").stat().st_mode & 0o777 == 0o700
    assert execute(url, "show listen_addresses") == [("127.0.0.1",)]
    assert execute(url, "show unix_socket_directories") == [("",)]
    assert execute(url, "show password_encryption") == [("scram-sha-256",)]
    rules = execute(url, "select distinct auth_method from pg_hba_file_rules")
    assert rules == [("scram-sha-256",)]
    assert execute(url, "show fsync") == [("on",)]
    leave(process)


def test_a_killed_process_does_not_stop_the_server_and_the_next_one_does(folder: Path) -> None:
    killed = launch(folder)
    url = attached(killed)
    killed.kill()
    killed.communicate()
    assert execute(url, "select 1") == [(1,)]
    survivor = launch(folder)
    assert attached(survivor) == url
    leave(survivor)
    wait_for_end(folder)


def test_the_server_stays_up_when_asked_to(folder: Path, state: Callable[[], str]) -> None:
    process = launch(folder, TIMESTEP_EMBEDDED_KEEP="1")
    url = attached(process)
    leave(process)
    assert execute(url, "select 1") == [(1,)]
    assert state() == "running"


def test_a_killed_server_is_started_again_by_the_next_process(folder: Path) -> None:
    process = launch(folder, OPEN)
    url = attached(process)
    execute(url, "create table kept (x int)", "insert into kept values (7)")
    os.kill(server_process(folder), signal.SIGKILL)
    after = launch(folder, OPEN)
    assert execute(attached(after), "select x from kept") == [(7,)]
    for each in (process, after):
        each.kill()
        each.communicate()


def test_a_killed_server_is_started_again_by_the_process_that_uses_it(folder: Path) -> None:
    process = launch(folder, OPEN)
    attached(process)
    killed = server_process(folder)
    os.kill(killed, signal.SIGKILL)

    def answered_by_another_server() -> bool:
        # Until they notice, the killed server's children go on answering.
        process.stdin.write("select 7 as x\n")
        process.stdin.flush()
        assert process.stdout.readline() == "{'x': 7}\n"
        return server_process(folder) != killed

    until(answered_by_another_server)
    output, errors = process.communicate(timeout=LIMIT)
    assert (process.returncode, output, errors) == (0, "", "")
    wait_for_end(folder)


def test_a_stale_pid_file_that_names_a_stranger_is_seen_through(
    folder: Path, state: Callable[[], str]
) -> None:
    process = launch(folder, TIMESTEP_EMBEDDED_KEEP="1")
    attached(process)
    leave(process)
    os.kill(server_process(folder), signal.SIGKILL)
    until(lambda: state() == "stopped")
    stranger = subprocess.Popen(["sleep", "600"], **as_server_user(folder))
    try:
        lines = pid_file(folder).read_text().splitlines(keepends=True)
        pid_file(folder).write_text("".join([f"{stranger.pid}\n", *lines[1:]]))
        assert state() == "stopped"
        process = launch(folder)
        assert execute(attached(process), "select 1") == [(1,)]
        leave(process)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_strangers_pid_file_stays_while_a_process_of_the_old_server_is_left(
    tmp_path: Path,
) -> None:
    cluster = Cluster(folder=tmp_path, major=18, password="")
    cluster.data.mkdir()
    pid_file = cluster.data / "postmaster.pid"
    stranger = subprocess.Popen(["sleep", "600"])
    left = subprocess.Popen(["sleep", "600"], cwd=cluster.data)
    try:
        pid_file.write_text(f"{stranger.pid}\n{cluster.data}\n1\n1\n\n\n\nready\n")
        server._remove_stranger(cluster, deadline=time.monotonic())
        assert pid_file.exists()
        left.kill()
        left.wait()
        server._remove_stranger(cluster, deadline=time.monotonic() + 10)
        assert not pid_file.exists()
        assert stranger.poll() is None
    finally:
        for process in (stranger, left):
            process.kill()
            process.wait()


def as_server_user(folder: Path) -> dict:
    """PostgreSQL believes a pid file only if it names a process of its own user."""
    if not AS_ROOT:
        return {}
    owner = pid_file(folder).stat()
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


def test_a_taken_port_is_exchanged_for_another(folder: Path) -> None:
    settings = (pid_file(folder).parent / "postgresql.conf").read_text()
    port = int(settings.rpartition("\nport = ")[2].split()[0])
    with socket.create_server(("127.0.0.1", port)):
        process = launch(folder)
        other = attached(process)
        assert f":{port}/" not in other
        assert execute(other, "select 1") == [(1,)]
        leave(process)


def test_what_a_killed_creator_leaves_behind_is_in_nobodys_way(empty_folder: Path) -> None:
    creator = launch(empty_folder)
    until(lambda: list(empty_folder.glob("postgres/.init-*/data/PG_VERSION")))
    creator.kill()
    creator.communicate()
    process = launch(empty_folder)
    assert execute(attached(process), "select 1") == [(1,)]
    leave(process)
    assert not (empty_folder / "postgres/.lock").exists()


def test_a_forked_child_neither_stops_nor_loses_the_server(folder: Path) -> None:
    program = """
import os, sys
from timestep.database import open_database_sync
database = open_database_sync()
child = os.fork()
if child == 0:
    assert database.fetch_sync("select 1 as x") == [{"x": 1}]
    sys.exit()  # runs the hooks of a normal end
assert os.waitpid(child, 0)[1] == 0
print(database.location.url, flush=True)
sys.stdin.readline()
assert database.fetch_sync("select 1 as x") == [{"x": 1}]
"""
    process = launch(folder, program)
    attached(process)
    leave(process)
    wait_for_end(folder)


def test_several_event_loops_and_closes_use_one_server(folder: Path) -> None:
    program = """
import asyncio, sys
from timestep.database import open_database
async def main():
    database = await open_database()
    print((await database.fetch("select pg_postmaster_start_time()::text as t"))[0]["t"])
    await database.close()
asyncio.run(main())
asyncio.run(main())
"""
    output, errors = launch(folder, program).communicate(timeout=LIMIT)
    first, second = output.splitlines()
    assert first == second, errors
    wait_for_end(folder)


def test_data_of_another_major_is_never_replaced_by_an_empty_cluster(empty_folder: Path) -> None:
    (empty_folder / "postgres/97/data").mkdir(parents=True)
    (empty_folder / "postgres/97/password").write_text("x")
    output, errors = launch(empty_folder).communicate(timeout=LIMIT)
    assert output == ""
    assert "the existing data is of PostgreSQL 97" in errors
    assert [path.name for path in empty_folder.glob("postgres/[0-9]*")] == ["97"]
    (empty_folder / "postgres/97/password").unlink()
    (empty_folder / "postgres/97/data").rmdir()
    (empty_folder / "postgres/97").rmdir()


def test_a_server_that_cannot_start_is_one_error_with_its_last_words(folder: Path) -> None:
    with (pid_file(folder).parent / "postgresql.conf").open("a") as configuration:
        configuration.write("max_connections = 'many'\n")
    output, errors = launch(folder).communicate(timeout=LIMIT)
    assert output == ""
    assert errors.splitlines()[-1].startswith("timestep.errors.DatabaseUnavailableError")
    assert "max_connections" in errors.splitlines()[-1]


@pytest.mark.skipif(not AS_ROOT, reason="only root drops to another user")
def test_a_folder_that_the_servers_user_may_not_enter_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    errors = launch(tmp_path / "data").communicate(timeout=LIMIT)[1]
    assert "may not enter" in errors
    assert "TIMESTEP_DATA_DIR" in errors
    assert not list(tmp_path.glob("data/postgres/*"))


@pytest.mark.skipif(not AS_ROOT, reason="only root drops to another user")
def test_binaries_that_the_servers_user_cannot_read_are_copied(
    folder: Path, tmp_path: Path
) -> None:
    found = find_binaries()
    package = found.folder.parent.parent
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    shutil.copytree(package, closed / package.name)
    libraries = package.parent / f"{package.name}.libs"
    if libraries.exists():
        shutil.copytree(libraries, closed / libraries.name)
    own = closed / package.name / found.folder.parent.name / "bin"
    process = launch(folder, TIMESTEP_PG_BIN=str(own))
    assert execute(attached(process), "select 1") == [(1,)]
    executable = Path(f"/proc/{server_process(folder)}/exe").resolve()
    assert executable.is_relative_to(folder / "postgres/binaries")
    leave(process)


def python_for_everybody() -> str:
    """Return a Python of this one's version that is not in somebody's home."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for name in (f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        if Path(name).exists():
            return name
    pytest.skip(f"no Python {version} that every user may run")


@pytest.mark.skipif(not AS_ROOT, reason="only root can become an ordinary user")
def test_an_ordinary_user_has_a_server_of_its_own(empty_folder: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    home = empty_folder / "home"
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    process = processes.launch(
        ATTACH,
        python=python_for_everybody(),
        cwd="/",
        env=clean_environment(HOME=str(home), PYTHONPATH=os.pathsep.join(filter(None, sys.path))),
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
    )
    url = attached(process)
    assert execute(url, "select 1") == [(1,)]
    (cluster,) = home.glob(".local/share/timestep/postgres/[0-9]*")
    assert {path.stat().st_uid for path in (cluster, cluster / "data", cluster / "password")} == {
        nobody.pw_uid
    }
    assert cluster.parent.stat().st_mode & 0o777 == 0o700
    leave(process)
    until(lambda: not (cluster / "data/postmaster.pid").exists())


INSERT = """
import sys, time
from timestep.database import open_database_sync
database = open_database_sync()
database.fetch_sync("insert into stress values (%s)", int(sys.argv[1]))
print("stored", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.soak)])
def test_many_processes_come_and_go_and_a_fifth_is_killed(folder: Path, count: int) -> None:
    """Whatever was reported stored is stored; nobody who was not killed fails."""
    chance = random.Random(4711)
    process = launch(folder)
    execute(attached(process), "create table public.stress (x int)")
    leave(process)

    def one(number: int, hold: float, *, killed: bool) -> tuple[bool, int, str]:
        worker = launch(folder, INSERT, str(number), str(hold))
        assert worker.stdout
        stored = worker.stdout.readline() == "stored\n"
        if killed:
            worker.kill()
        _, errors = worker.communicate(timeout=LIMIT)
        return stored, worker.returncode, errors

    with ThreadPoolExecutor(6) as threads:
        running = [
            threads.submit(one, number, chance.uniform(0, 0.3), killed=number % 5 == 0)
            for number in range(count)
        ]
        results = [each.result() for each in running]
    failures = [errors for stored, code, errors in results if not stored or code not in (0, -9)]
    assert failures == []
    process = launch(folder)
    rows = execute(attached(process), "select x from public.stress order by x")
    assert rows == [(number,) for number in range(count)]
    leave(process)
    wait_for_end(folder)


def test_eight_processes_create_it_at_once(empty_folder: Path) -> None:
    creators = [launch(empty_folder) for _ in range(8)]
    assert len({attached(each) for each in creators}) == 1
    for each in creators:
        leave(each)
    wait_for_end(empty_folder)
    left = {path.name for path in (empty_folder / "postgres").iterdir()}
    assert len(left) == 1, left
