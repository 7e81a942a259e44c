"""Exchanges whose attempt is over, and whose service has yet to close its side.

One look at all of them now and then takes the place of a timer each: nearly all of them end within
the next moment.
"""

from __future__ import annotations

import asyncio
from itertools import takewhile
from typing import Final

from perdure.transport.exchanges import Exchange

#: How long a service may take to close its side after its last message, in seconds.
FAREWELL_S: Final = 5.0
#: How often they are looked at, as a part of that.
_LOOKS: Final = 5


class Farewells:
    """Gives up exchanges that do not end in time.

    Args:
        patience_s: how long they may take, in seconds.
    """

    def __init__(self, patience_s: float = FAREWELL_S) -> None:
        self._patience_s = patience_s
        #: Until when each of them may take, by the loop's time; the oldest comes first.
        self._until: dict[Exchange, float] = {}
        self._look: asyncio.TimerHandle | None = None

    def begin(self, exchange: Exchange) -> None:
        """Give a service time to close its side."""
        loop = asyncio.get_running_loop()
        self._until[exchange] = loop.time() + self._patience_s
        if self._look is None:
            self._look = loop.call_later(self._patience_s, self._give_up, loop)

    def end(self, exchange: Exchange) -> None:
        """Take note that it did, or that it does not matter any more."""
        self._until.pop(exchange, None)

    def _give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for exchange in list(takewhile(lambda each: self._until[each] <= now, self._until)):
            del self._until[exchange]
            exchange.cancel()
        self._look = None
        if self._until:
            self._look = loop.call_later(self._patience_s / _LOOKS, self._give_up, loop)
