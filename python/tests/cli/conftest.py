"""What the tests of commands share."""

import signal

from support.durable import company, workers

__all__ = ["company", "workers"]

# A shell that runs the tests in the background has them ignore interrupts, and so would every
# command that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
