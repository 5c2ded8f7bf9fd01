"""What the tests of commands share."""

from support.durable import company, model_server, workers

__all__ = ["company", "model_server", "workers"]
