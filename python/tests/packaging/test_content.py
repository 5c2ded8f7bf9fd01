"""What the packages hold: all that they need, nothing that they do not."""

import tarfile
import zipfile
from pathlib import Path

import pytest
from support.packages import ROOT, Packages, run

# Spread over several processes, each would install everything anew.
pytestmark = pytest.mark.xdist_group("packaging")

PYTHON = ROOT / "python" / "src" / "timestep"
TYPESCRIPT = ROOT / "typescript" / "src"
NEEDED = (
    "py.typed",
    "database/schema/0001_sessions_and_run_states.sql",
    "testing/model_server/main.ts",
    "testing/model_server/package.json",
    "tools/web_search.schema.json",
    "cli/environment.json",
    "demo/main.py",
)
TOOLS = ROOT / "node_modules" / ".bin"


def sources(folder: Path) -> set[str]:
    """Return the files of a folder of sources."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)) for path in files if "__pycache__" not in path.parts}


def test_the_wheel_holds_the_sources_and_its_description(packages: Packages) -> None:
    with zipfile.ZipFile(packages.wheel) as archive:
        files = {name for name in archive.namelist() if not name.endswith("/")}
        [metadata] = [name for name in files if name.endswith("/METADATA")]
        text = archive.read(metadata).decode()
    info = metadata.removesuffix("METADATA")
    described = {f"{info}{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")}
    expected = {f"timestep/{name}" for name in sources(PYTHON)}
    assert files == expected | described | {f"{info}licenses/LICENSE"}
    assert {f"timestep/{name}" for name in NEEDED} <= files
    assert {Path(name).suffix for name in expected} == {".json", ".py", ".sql", ".ts", ".typed"}
    head, _, readme = text.partition("\n\n")
    assert "License-Expression: MIT" in head
    assert readme.strip() == (ROOT / "python" / "README.md").read_text().strip()
    assert readme.strip()


def test_the_sdist_holds_what_the_wheel_is_built_from(packages: Packages) -> None:
    with tarfile.open(packages.sdist) as archive:
        files = {
            name.partition("/")[2]
            for name in archive.getnames()
            if archive.getmember(name).isfile()
        }
    files.discard("pyproject.toml.orig")  # the form that newer versions of uv_build keep
    described = {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
    assert files == described | {f"src/timestep/{name}" for name in sources(PYTHON)}


def test_the_npm_package_holds_the_compiled_sources(packages: Packages) -> None:
    with tarfile.open(packages.tarball) as archive:
        files = {name.removeprefix("package/") for name in archive.getnames()}
    modules = [name for name in sources(TYPESCRIPT) if name.endswith(".ts")]
    compiled = {f"dist/{name[:-3]}{end}" for name in modules for end in (".js", ".d.ts")}
    copied = {"dist/tools/web_search.schema.json"}
    assert files == compiled | copied | {"LICENSE", "README.md", "package.json"}
    assert "dist/demo/main.js" in files


def test_the_linters_of_npm_packages_find_nothing(packages: Packages, outside: Path) -> None:
    run([TOOLS / "publint", "--strict", packages.tarball], outside)
    run([TOOLS / "attw", packages.tarball, "--profile", "esm-only"], outside)
