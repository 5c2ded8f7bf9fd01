"""What the tests of durable runs share."""

from support.durable import company, workers

__all__ = ["company", "workers"]
