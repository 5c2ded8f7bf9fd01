"""The scripted model server, for the tests of anything that talks to a model."""

from timestep.testing.server import ModelServer
from timestep.testing.wire import JournalEntry, Step

__all__ = ["JournalEntry", "ModelServer", "Step"]
