"""Copy what both packages carry from its one source; with --check, fail where a copy is stale."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# source folder, pattern of file names, folders that hold a copy
COPIES = [
    ("spec/schema", "[0-9]*.sql", "python/src/timestep/database/schema"),
    ("spec", "environment.json", "python/src/timestep/cli"),
    ("spec/tools", "*.schema.json", "python/src/timestep/tools"),
    ("spec/tools", "*.schema.json", "typescript/src/tools"),
    ("typescript/src/testing", "*.ts", "python/src/timestep/testing/model_server"),
    ("typescript/src/testing/strict", "*.ts", "python/src/timestep/testing/model_server/strict"),
]


TYPESCRIPT_SCHEMA = "typescript/src/database/schema.ts"


def typescript_schema() -> bytes:
    """Return the schema as a module: tsc copies no other files into the package."""
    head = "// Written by tools/generate.py from spec/schema/: change the SQL there.\n"
    rows = "".join(map(typescript_migration, sorted((ROOT / "spec/schema").glob("[0-9]*.sql"))))
    return f"{head}\nexport const SCHEMA = [\n{rows}];\n".encode()


def typescript_migration(path: Path) -> str:
    """Return one migration as an element of that module's list."""
    sql = path.read_text(encoding="utf-8")
    for special in ("\\", "`", "${"):
        sql = sql.replace(special, "\\" + special)
    return f"  {{\n    file: '{path.name}',\n    sql: `{sql}`,\n  }},\n"


def stale_copies() -> Iterator[tuple[Path, bytes | None]]:
    """Yield each copy that differs from its source, with the right content (None: no source)."""
    schema = ROOT / TYPESCRIPT_SCHEMA
    if not schema.exists() or schema.read_bytes() != typescript_schema():
        yield schema, typescript_schema()
    for source, pattern, target in COPIES:
        sources = {path.name: path.read_bytes() for path in (ROOT / source).glob(pattern)}
        copies = {path.name: path for path in (ROOT / target).glob(pattern)}
        for name in sorted(sources.keys() | copies.keys()):
            copy = ROOT / target / name
            if name not in copies or sources.get(name) != copy.read_bytes():
                yield copy, sources.get(name)


def write(copy: Path, content: bytes | None) -> None:
    """Bring one copy up to date."""
    if content is None:
        copy.unlink()
        return
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.write_bytes(content)


def main() -> int:
    """Write the copies, or only compare them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if stale")
    check = parser.parse_args().check
    stale = list(stale_copies())
    for copy, content in stale:
        if not check:
            write(copy, content)
        print(f"{'stale' if check else 'written'}: {copy.relative_to(ROOT)}")
    if check and stale:
        print("Run tools/generate.py to bring them up to date.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
