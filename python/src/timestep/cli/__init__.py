"""The command `timestep`."""

from timestep.cli.main import main

__all__ = ["main"]
