"""Durations as the protocol has them: whole milliseconds."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

_MILLISECOND: Final = timedelta(milliseconds=1)
#: To the clocks of a handler more than this is for ever.
LONGEST_MS: Final = timedelta.max // _MILLISECOND


def milliseconds(duration: timedelta) -> int:
    """Give a duration in whole milliseconds.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(duration, timedelta):
        raise TypeError(
            f"a duration is a timedelta, not {duration!r}: write timedelta(seconds=...)"
        )
    return duration // _MILLISECOND
