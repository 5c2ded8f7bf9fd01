"""The scripted model server, for the tests of anything that talks to a model."""

from timestep.testing.server import JournalEntry, ModelServer, Step

__all__ = ["JournalEntry", "ModelServer", "Step"]
