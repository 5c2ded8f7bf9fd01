"""Copy what both packages carry from its one source; with --check, fail where a copy is stale."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# source folder, pattern of file names, folders that hold a copy
COPIES = [
    ("spec/schema", "[0-9]*.sql", "python/src/timestep/database/schema"),
    ("spec/schema", "[0-9]*.sql", "typescript/src/database/schema"),
    ("spec", "environment.json", "python/src/timestep/cli"),
]


def stale_copies() -> Iterator[tuple[Path, bytes | None]]:
    """Yield each copy that differs from its source, with the right content (None: no source)."""
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
