"""The site builds, and links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ._samples.pages import DOCS

ROOT = DOCS.parent


def test_the_site_builds_and_its_links_and_anchors_exist(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (built.returncode, built.stderr) == (0, "")
    html = (tmp_path / "getting-started" / "index.html").read_text(encoding="utf-8")
    assert "<!-- model" not in html
    assert 'class="tabbed-set' in html


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md"]
)
def test_the_links_of_the_repository_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    dead = [link for link in links(text) if not leads_somewhere(link, ROOT / page)]
    assert not dead


def links(text: str) -> list[str]:
    """Return the addresses of a page that are not of other sites."""
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [link for link in found if not link.startswith(("http://", "https://"))]


def leads_somewhere(link: str, page: Path) -> bool:
    """Whether the file of a link exists, and in it the heading, if it names one."""
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    if not target.exists() or not anchor:
        return target.exists()
    headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
    return anchor in [re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings]
