"""What mkdocs does to a page: comments for the tests go, and outputs get a title."""

import re

_COMMENT = re.compile(r"^ *<!-- ?.*?-->\n?", re.MULTILINE | re.DOTALL)
_OUTPUT = re.compile(r"(?<!-->\n)^( *```text)$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Return the page as readers see it."""
    return _COMMENT.sub("", _OUTPUT.sub(r'\1 title="Output"', markdown))
