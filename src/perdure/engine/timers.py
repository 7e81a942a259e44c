"""The leader's alarm clock: of all durable timers it holds the nearest, and re-reads the rest.

The table is the truth; what is held here is a window onto its beginning. A timer beyond the window
is found when the window is read again, so that any number of timers costs bounded memory.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from functools import partial
from typing import Final

from perdure.core.model.records import TimersFired
from perdure.core.model.timers import Timer
from perdure.core.tables.keys import parse_timer_key, timer_key
from perdure.core.tables.tables import Tables
from perdure.engine.partition import OnReply
from perdure.engine.ports import Clock, StorageError

#: Timers held in memory at the most, about 200 bytes each.
WINDOW: Final = 16_384
#: The longest single wait on the loop's clock, so that a changed system time is noticed.
WAIT_S_MAX: Final = 10.0
#: Timers in one record at the most: it is applied in one piece, which takes these a millisecond or
#: so. Twice as many would cost 2 % less each.
TOGETHER: Final = 64
#: Timers that were proposed and are not applied yet, at the most: so many are woken before others
#: have their turn when thousands are due at once. They cover the time that the log takes.
BURST: Final = 128
#: No timer is proposed while so many records wait for the log.
BACKLOG_MAX: Final = 512
#: How long those that are due wait then, in seconds.
PAUSE_S: Final = 0.002
#: How long timers still count as behind when they no longer are, in seconds: what those that were
#: taken last have woken is yet to end.
BEHIND_S: Final = 0.1
#: Timers read from the table at once, so that others have their turn soon.
PAGE: Final = 2_048

_END: Final = b"\xff" * 37


class Timers:
    """Proposes that timers fired, when they are due and never before."""

    def __init__(
        self,
        tables: Tables,
        clock: Clock,
        propose: Callable[[TimersFired, OnReply], None],
        failed: Callable[[StorageError], None],
        window: int = WINDOW,
        backlog: Callable[[], int] = lambda: 0,
    ) -> None:
        """Begin with no timer.

        Args:
            tables: hold all timers.
            clock: tells the time.
            propose: proposes that timers fired, and tells when that is applied.
            failed: is told why further timers cannot be read: none of them would ever fire.
            window: timers held in memory at the most.
            backlog: tells how many records wait for the log.
        """
        self._tables = tables
        self._clock = clock
        self._propose = propose
        self._window = window
        self._backlog = backlog
        self._failed = failed
        self._heap: list[Timer] = []
        #: How many were proposed that are not applied yet.
        self._proposed = 0
        #: No timer before this one is missing in the heap; None when none is missing at all.
        self._horizon: Timer | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at = 0
        self._behind_until = 0.0
        self._stopped = False
        self._loop = asyncio.get_running_loop()

    def behind(self) -> bool:
        """Tell whether more timers are due than are taken at once, or were a moment ago."""
        return self._loop.time() < self._behind_until

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
        if self._proposed >= BURST or self._backlog() >= BACKLOG_MAX:
            self._alarm = self._loop.call_later(PAUSE_S, self._ring)
            return
        self._alarm = None
        now = self._clock.now_ms()
        while self._proposed < BURST and (timers := self._take(now)):
            self._proposed += len(timers)
            self._propose(TimersFired(timers), partial(self._applied, len(timers)))
        if self._proposed >= BURST:
            self._behind_until = self._loop.time() + BEHIND_S
        if self._heap or self._horizon is None:
            self._set_alarm()
            return
        try:
            self.load()
        except StorageError as error:
            self._failed(error)

    def _take(self, now: int) -> tuple[Timer, ...]:
        """Take timers that are due, as many as go into one record."""
        heap = self._heap
        timers: list[Timer] = []
        while heap and heap[0].due_at <= now and len(timers) < TOGETHER:
            timers.append(heapq.heappop(heap))
        return tuple(timers)

    def _applied(self, count: int, _reply: object) -> None:
        self._proposed -= count
