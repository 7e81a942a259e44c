"""Loggers that are silent while a handler repeats what it has logged in an earlier attempt."""

from __future__ import annotations

import logging

from perdure.sdk.replay_state import is_replaying


class RestateLoggingFilter(logging.Filter):
    """Drops what is logged by a handler that replays its journal."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether a record is logged."""
        return not is_replaying() and bool(super().filter(record))


def getLogger(name: str | None = None) -> logging.Logger:  # noqa: N802 - the official SDK's name
    """Give the logger of that name, silent in replays from now on.

    Args:
        name: As for :func:`logging.getLogger`.
    """
    logger = logging.getLogger(name)
    if not any(isinstance(each, RestateLoggingFilter) for each in logger.filters):
        logger.addFilter(RestateLoggingFilter())
    return logger
