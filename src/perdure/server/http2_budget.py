"""How much a client may ask of a connection without bringing anything.

Frames that bring nothing (PING, SETTINGS, empty ones, requests that are taken back at once) cost a
server more than their client. They are paid from a budget that is filled by time, and by work that
both sides had something of; a client that has overdrawn it is no client.
"""

from __future__ import annotations

from typing import Final

#: What a client has at the beginning, and may save at the most, or more if it may ask for a lot.
BUDGET_MAX: Final = 1000
#: What it gains by a second, and by a frame with content or an answered request.
EARNED_BY_SECOND: Final = 100
EARNED_BY_CONTENT: Final = 10
#: What a request costs that is taken back, or that is none. A client may well give up all requests
#: of a connection at once, as a server does whose attempts were killed.
RESET_COST: Final = 3
#: What is left for everything else when a client has done so.
_SPARE: Final = 100


class Budget:
    """The budget of one connection.

    Args:
        now: the time, in seconds.
        streams_max: requests that the client may have under way.
    """

    __slots__ = ("_earned", "_left", "_most", "_since")

    def __init__(self, now: float, streams_max: int) -> None:
        self._most = max(BUDGET_MAX, RESET_COST * streams_max + _SPARE)
        self._left = self._most
        #: What was earned since it last paid.
        self._earned = 0
        self._since = now

    def earn(self) -> None:
        """Take note of a frame with content, or of a request that was answered."""
        self._earned += EARNED_BY_CONTENT

    def spend(self, cost: int, now: float) -> bool:
        """Pay, and tell whether there was enough."""
        self._left, self._earned = min(self._most, self._left + self._earned), 0
        if self._left < cost:
            seconds = int(now - self._since)
            self._since += seconds
            self._left = min(self._most, self._left + seconds * EARNED_BY_SECOND)
        self._left -= cost
        return self._left >= 0
