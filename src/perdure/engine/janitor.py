"""Retention: asks for a sweep when the first result or journal is past its time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from perdure.core.model.records import Expire
from perdure.core.tables.keys import parse_expiry_key
from perdure.core.tables.tables import Tables
from perdure.engine.ports import Clock

#: Invocations forgotten by one record, so that no sweep holds up the loop.
SWEEP_LIMIT: Final = 256
#: Pause between sweeps while there is a backlog.
CATCH_UP_MS: Final = 20
#: Nothing is looked for more often than this; what expires in between is told apart when asked for.
INTERVAL_MS_MIN: Final = 1_000
INTERVAL_MS_MAX: Final = 3_600_000

_END: Final = b"\xff" * 33


class Janitor:
    """Proposes expiry sweeps."""

    def __init__(
        self, tables: Tables, clock: Clock, propose: Callable[[Expire], None], interval_ms: int
    ) -> None:
        self._tables = tables
        self._clock = clock
        self._propose = propose
        self._interval_ms = max(interval_ms, INTERVAL_MS_MIN)
        self._loop = asyncio.get_running_loop()
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at: int | None = None
        self._stopped = False

    def load(self) -> None:
        """Look up what expires first."""
        rows = self._tables.expiries.scan(b"", _END, 1)
        if rows:
            self.watch(parse_expiry_key(rows[0][0])[0])

    def watch(self, expires_at: int) -> None:
        """Sweep some time after this, in milliseconds since 1970, if nothing is due before."""
        if self._stopped or (self._alarm_at is not None and self._alarm_at <= expires_at):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = expires_at
        overdue_ms = self._clock.now_ms() - expires_at
        # Behind by more than an interval, it catches up; otherwise one sweep takes many at once.
        least_ms = CATCH_UP_MS if overdue_ms > self._interval_ms else self._interval_ms
        wait_ms = min(max(-overdue_ms, least_ms), INTERVAL_MS_MAX)
        self._alarm = self._loop.call_later(wait_ms / 1000, self._sweep)

    def stop(self) -> None:
        """Ask for nothing more, whatever is still to be watched."""
        self._stopped = True
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _sweep(self) -> None:
        self._alarm = self._alarm_at = None
        self._propose(Expire(SWEEP_LIMIT))
