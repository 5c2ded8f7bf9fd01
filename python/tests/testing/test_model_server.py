import os
import signal
import subprocess
import sys
import textwrap
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from support.waiting import until
from timestep.errors import ConfigurationError, TimestepError
from timestep.testing import ModelServer, node

HELLO = {"output": [{"type": "message", "text": "Hello"}]}


def healthy(origin: str) -> bool:
    try:
        with urllib.request.urlopen(f"{origin}/__health", timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


def ask(server: ModelServer, script_id: str) -> int:
    request = urllib.request.Request(
        f"{server.url}/responses",
        data=b'{"model":"gpt-4.1","input":"Hello"}',
        headers={"Authorization": f"Bearer {server.api_key(script_id)}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def test_a_server_answers_between_start_and_end() -> None:
    with ModelServer() as server:
        origin = server.origin
        assert healthy(origin)
    assert not healthy(origin)


def test_starting_twice_and_closing_twice_is_harmless() -> None:
    server = ModelServer()
    try:
        assert server.start().origin == server.start().origin
    finally:
        server.close()
        server.close()


def test_a_server_that_is_not_started_says_so() -> None:
    with pytest.raises(ConfigurationError, match=r"with ModelServer\(\)"):
        _ = ModelServer().url


def test_the_addresses_are_those_of_one_server() -> None:
    with ModelServer() as server:
        assert server.url == f"{server.origin}/v1"
        assert server.ollama_url == f"{server.origin}/ollama"
        assert server.ollama_cloud_url == f"{server.origin}/ollama-cloud"
        assert server.firecrawl_url == f"{server.origin}/firecrawl"


def test_a_held_request_passes_when_it_is_released() -> None:
    statuses: list[int] = []
    with ModelServer() as server:
        server.script("held", [{**HELLO, "hold": "the door"}])
        asking = threading.Thread(target=lambda: statuses.append(ask(server, "held")))
        asking.start()

        server.wait_until_held("held", "the door")
        assert server.requests("held")[0]["status"] is None
        server.release("held", "the door")

        asking.join(10)
        assert statuses == [200]
        assert server.requests("held")[0]["status"] == 200


def test_waiting_for_a_request_that_never_comes_ends() -> None:
    with ModelServer() as server:
        server.script("nobody", [{**HELLO, "hold": "door"}])
        with pytest.raises(TimeoutError, match="'door'"):
            server.wait_until_held("nobody", "door", timeout_seconds=0.05)


def test_a_misspelt_step_is_told_at_once() -> None:
    with ModelServer() as server, pytest.raises(TimestepError, match="ouput"):
        server.script("misspelt", [{"ouput": []}])  # type: ignore[typeddict-unknown-key]


def test_the_journal_holds_every_request_and_its_script() -> None:
    with ModelServer() as server:
        server.script("a", [HELLO])
        assert ask(server, "a") == 200
        assert ask(server, "b") == 422
        [entry] = server.requests("a")
        assert entry["body"] == '{"model":"gpt-4.1","input":"Hello"}'
        assert entry["headers"]["authorization"] == "Bearer test-a"
        assert [each["script"] for each in server.requests()] == ["a", "b"]
        server.remove("a")
        assert server.requests("a") == []


def test_two_servers_know_nothing_of_each_other() -> None:
    with ModelServer() as one, ModelServer() as other:
        one.script("only-here", [HELLO])
        assert ask(other, "only-here") == 422
        assert ask(one, "only-here") == 200


PARENT = """
    import sys, time
    from timestep.testing import ModelServer
    server = ModelServer().start()
    print(server.origin, flush=True)
    {then}
    time.sleep(60)
"""


@pytest.mark.parametrize("then", ["", "import os; os.fork()"], ids=["alone", "with a forked child"])
def test_the_server_ends_when_its_parent_is_killed(then: str) -> None:
    if then and not hasattr(os, "fork"):
        pytest.skip("this system cannot fork")
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT.format(then=then))],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert parent.stdout is not None
        origin = parent.stdout.readline().strip()
        assert healthy(origin)
        parent.kill()
        parent.wait(10)
        until(lambda: not healthy(origin))
    finally:
        # The forked child is in the session that was made for it above.
        os.killpg(parent.pid, signal.SIGKILL)
        parent.wait(10)
        parent.stdout.close()


def test_the_server_ends_with_a_parent_that_forgot_it() -> None:
    program = "from timestep.testing import ModelServer; print(ModelServer().start().origin)"
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    until(lambda: not healthy(ended.stdout.strip()))


def old_node(folder: Path, says: str) -> str:
    program = folder / "node"
    program.write_text(f"#!/bin/sh\necho {says}\n")
    program.chmod(0o755)
    return str(program)


def nothing_packaged() -> None:
    return None


@pytest.fixture
def no_packaged_node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(node, "_packaged", nothing_packaged)
    monkeypatch.setenv("PATH", str(tmp_path))
    node.node_command.cache_clear()
    return tmp_path


@pytest.mark.usefixtures("no_packaged_node")
def test_without_node_the_error_names_the_extra() -> None:
    with pytest.raises(ConfigurationError, match=r"pip install 'timestep\[testing\]'") as raised:
        ModelServer().start()
    assert "none on PATH" in str(raised.value)


@pytest.mark.parametrize(
    ("says", "shown"), [("v22.17.1", r"Node\.js 22\.17"), ("hello", "no working Node")]
)
def test_an_old_or_broken_node_is_named(no_packaged_node: Path, says: str, shown: str) -> None:
    program = old_node(no_packaged_node, says)
    with pytest.raises(ConfigurationError, match=shown) as raised:
        node.node_command()
    assert program in str(raised.value)


def test_a_new_enough_node_on_the_path_is_taken(no_packaged_node: Path) -> None:
    program = old_node(no_packaged_node, "v22.18.0")
    try:
        assert node.node_command() == program
    finally:
        node.node_command.cache_clear()
