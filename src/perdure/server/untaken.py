"""What clients were answered and have not taken: bounded for all connections of a door together.

An answer stays in memory until its client has taken it. A client may be slow, and is shown out
only after a while; but clients that let large answers wait could fill the memory long before. So
there is a bound, and beyond it those are cut off first who have taken nothing for the longest time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

#: What may wait for the clients of a door, in bytes.
UNTAKEN_BYTES_MAX: Final = 1024 * 1024 * 1024
#: What is left of that when clients had to be cut off, so that not each answer is one too many.
_LEFT: Final = 3 / 4

logger = logging.getLogger("perdure.server")


class Untaken(NamedTuple):
    """What waits for one client, on one connection or stream."""

    #: When the client last took something, by the loop's time.
    since: float
    #: How much waits, in bytes.
    size: int
    #: Ends the connection or stream.
    cut_off: Callable[[], None]


class Backlog:
    """Watches over what all clients have not taken.

    What is added counts until there seems to be too much; only then is looked who has taken it.

    Args:
        limit: how much it may be, in bytes.
        look: gives what waits now.
    """

    def __init__(self, limit: int, look: Callable[[], Iterable[Untaken]]) -> None:
        self._limit = limit
        self._look = look
        self._loop = asyncio.get_running_loop()
        #: No less than what waits, in bytes.
        self._size = 0
        self._planned = False

    def add(self, size: int) -> None:
        """Take note that so many bytes more wait for a client."""
        self._size += size
        if self._size > self._limit and not self._planned:
            self._planned = True
            # Not at once: who adds is amid an answer, and could be cut off under it.
            self._loop.call_soon(self._make_room)

    def _make_room(self) -> None:
        self._planned = False
        waiting = sorted(self._look(), key=lambda untaken: untaken.since)
        self._size = sum(untaken.size for untaken in waiting)
        if self._size <= self._limit:
            return
        count = 0
        for untaken in waiting:
            if self._size <= self._limit * _LEFT:
                break
            untaken.cut_off()
            self._size -= untaken.size
            count += 1
        logger.warning("%d clients that did not take their answers were cut off", count)
