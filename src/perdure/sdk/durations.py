"""Durations as the protocol has them: whole milliseconds."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

_MILLISECOND: Final = timedelta(milliseconds=1)


def milliseconds(duration: timedelta) -> int:
    """Give a duration in whole milliseconds."""
    return duration // _MILLISECOND
