"""What DBOS has to say, without what follows from the end of an event loop or of the process.

A run whose event loop ends is left to others, by our own tables. DBOS logs each as a failure of its
workflow, with a traceback.
"""

import logging

_OF_AN_END = (
    "CancelledError",
    "Event loop is closed",
    "Executor shutdown has been called",
    "cannot schedule new futures",
)


class _WithoutEnds(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        said = f"{record.getMessage()} {type(error).__name__} {error}"
        return not any(words in said for words in _OF_AN_END)


_without_ends = _WithoutEnds()


def keep_quiet_at_the_end() -> None:
    """Leave out what DBOS says of runs that end with their event loop."""
    logging.getLogger("dbos").addFilter(_without_ends)
