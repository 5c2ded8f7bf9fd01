"""The only reader of environment variables. Every name is described in spec/environment.json."""

import os


def text(name: str) -> str | None:
    """Return the variable's value; an unset, empty or blank one is None."""
    value = os.environ.get(name, "").strip()
    return value or None
