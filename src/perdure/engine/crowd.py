"""A crowd: so much waits that changes are better written behind it than in its midst."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

#: So many records that wait are a crowd, as in a burst.
CROWD_RECORDS: Final = 64
#: How many times as many changed rows are gathered while a crowd of records waits: these wait
#: longer than for one write, and of rows that come and go the more cancel out. Such a write takes
#: 20 ms.
TIMES_CROWDED: Final = 16
#: The same while timers are behind: of 10,000 wake-ups what is to be written is written behind
#: them, which takes a tenth of the time off them. Such a write takes 35 ms.
TIMES_BEHIND: Final = 32
#: So often it is looked whether a crowd is gone, in seconds.
CALM_S: Final = 0.1


class Crowd:
    """Tells whether a partition has one, and when it is gone.

    Args:
        waiting: gives how many records wait.
        gone: called some time after a crowd that was seen is gone.
    """

    def __init__(self, waiting: Callable[[], int], gone: Callable[[], None]) -> None:
        self._waiting = waiting
        self._gone = gone
        #: Tells whether timers wait that were due long ago, as there are so many.
        self.behind: Callable[[], bool] = lambda: False
        self._alarm: asyncio.TimerHandle | None = None

    def times(self) -> int:
        """Give how many times as many changed rows are gathered as when little is to be done."""
        if self.behind():
            times = TIMES_BEHIND
        elif self._waiting() >= CROWD_RECORDS:
            times = TIMES_CROWDED
        else:
            return 1
        if self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(CALM_S, self._look)
        return times

    def _look(self) -> None:
        self._alarm = None
        if self.times() == 1:
            self._gone()
