"""The leader's alarm clock: of all durable timers it holds the nearest, and re-reads the rest.

The table is the truth; what is held here is a window onto its beginning. A timer beyond the window
is found when the window is read again, so that any number of timers costs bounded memory.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Final

from perdure.core.model.timers import Timer
from perdure.core.tables.keys import parse_timer_key, timer_key
from perdure.core.tables.tables import Tables
from perdure.engine.ports import Clock, StorageError

#: Timers held in memory at the most, about 200 bytes each.
WINDOW: Final = 16_384
#: The longest single wait on the loop's clock, so that a changed system time is noticed.
WAIT_S_MAX: Final = 10.0
#: Timers proposed in one turn of the loop; none while as many records wait for the log already,
#: so that others have their turn when thousands are due at once.
BURST: Final = 512
#: How long those that are due wait then, in seconds.
PAUSE_S: Final = 0.002

#: Timers read from the table at once, so that others have their turn soon.
PAGE: Final = 2_048

_END: Final = b"\xff" * 37


class Timers:
    """Proposes that timers fired, when they are due and never before."""

    def __init__(
        self,
        tables: Tables,
        clock: Clock,
        fire: Callable[[Timer], None],
        failed: Callable[[StorageError], None],
        window: int = WINDOW,
        backlog: Callable[[], int] = lambda: 0,
    ) -> None:
        """Begin with no timer.

        Args:
            tables: hold all timers.
            clock: tells the time.
            fire: proposes that a timer fired.
            failed: is told why further timers cannot be read: none of them would ever fire.
            window: timers held in memory at the most.
            backlog: tells how many records wait for the log.
        """
        self._tables = tables
        self._clock = clock
        self._fire = fire
        self._window = window
        self._backlog = backlog
        self._failed = failed
        self._heap: list[Timer] = []
        #: No timer before this one is missing in the heap; None when none is missing at all.
        self._horizon: Timer | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0
        self._stopped = False
        self._loop = asyncio.get_running_loop()

    def load(self) -> None:
        """Read the nearest timers from the table, from where the window ended."""
        start = b"" if self._horizon is None else timer_key(self._horizon)
        page = min(self._window, PAGE)
        rows = self._tables.timers.scan(start, _END, page + 1)
        timers = [parse_timer_key(key) for key, _ in rows]
        self._horizon = timers[page] if len(timers) > page else None
        # A sorted list is a heap.
        self._heap = timers[:page]
        self._set_alarm()

    def arm(self, timer: Timer) -> None:
        """Hold a timer that was just written to the table."""
        if self._stopped or (self._horizon is not None and timer >= self._horizon):
            return
        heapq.heappush(self._heap, timer)
        if len(self._heap) > 2 * self._window:
            self._shrink()
        if self._heap[0] is timer:
            self._set_alarm()

    def stop(self) -> None:
        """Propose nothing more, whatever is still armed."""
        self._stopped = True
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        self._heap = []

    def _shrink(self) -> None:
        self._heap.sort()
        self._horizon = self._heap[self._window]
        del self._heap[self._window :]

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            if self._heap and self._heap[0].due_at == self._alarm_at:
                return
            self._alarm.cancel()
            self._alarm = None
        if not self._heap:
            return
        self._alarm_at = self._heap[0].due_at
        wait_s = (self._alarm_at - self._clock.now_ms()) / 1000
        self._alarm = self._loop.call_later(min(max(wait_s, 0), WAIT_S_MAX), self._ring)

    def _ring(self) -> None:
        if self._backlog() >= BURST:
            self._alarm = self._loop.call_later(PAUSE_S, self._ring)
            return
        self._alarm = None
        now = self._clock.now_ms()
        for _ in range(BURST):
            if not self._heap or self._heap[0].due_at > now:
                break
            self._fire(heapq.heappop(self._heap))
        if self._heap or self._horizon is None:
            self._set_alarm()
            return
        try:
            self.load()
        except StorageError as error:
            self._failed(error)
