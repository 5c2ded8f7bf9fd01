"""What the tests of durable runs share."""

from support.durable import company, model_server, workers

__all__ = ["company", "model_server", "workers"]
