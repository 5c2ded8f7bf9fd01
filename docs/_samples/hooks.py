"""What mkdocs does to a page: comments for the tests of the samples are not for readers."""

import re

_COMMENT = re.compile(r"^ *<!-- ?.*?-->\n?", re.MULTILINE | re.DOTALL)


def on_page_markdown(markdown: str, **_: object) -> str:
    """Return the page without its comments."""
    return _COMMENT.sub("", markdown)
