"""The command `timestep`."""

from collections.abc import Sequence

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        arguments: The words after `timestep` (None: those of this process).
    """
    try:
        # here, so that an interrupt while this loads ends the command like any other
        from timestep.cli.commands import run

        return run(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED


__all__ = ["main"]
