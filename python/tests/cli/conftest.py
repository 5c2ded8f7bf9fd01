"""What the tests of commands share."""

from support.durable import company, workers

__all__ = ["company", "workers"]
