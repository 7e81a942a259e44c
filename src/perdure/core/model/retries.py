"""Retry policies: when to try an invocation again, and when to stop (service protocol 7.1)."""

from __future__ import annotations

from enum import IntEnum
from sys import float_info
from typing import Final

from msgspec import Struct

JITTER_MS_MIN: Final = 3
JITTER_SHARE_MAX: Final = 0.3


class OnExhausted(IntEnum):
    """What becomes of an invocation whose retries are used up."""

    PAUSE = 0
    KILL = 1


class RetryPolicy(Struct, frozen=True, array_like=True, gc=False):
    """Exponential backoff; ``max_attempts`` counts the first attempt, None is without limit."""

    initial_interval_ms: int = 500
    exponentiation_factor: float = 2.0
    max_interval_ms: int = 60_000
    max_attempts: int | None = 70
    on_exhausted: OnExhausted = OnExhausted.PAUSE

    def delay_ms(self, failures: int, chance: float) -> int | None:
        """Give the delay after so many counted failures, or None when no attempt is left.

        Args:
            failures: attempts that failed so far and count, this one included.
            chance: a number from 0 to 1 that places the jitter; a retry is never early.
        """
        assert failures >= 1
        if self.max_attempts is not None and failures >= self.max_attempts:
            return None
        delay = min(self.max_interval_ms, self.initial_interval_ms * self._growth(failures - 1))
        return round(delay + max(JITTER_MS_MIN, delay * JITTER_SHARE_MAX * chance))

    def _growth(self, steps: int) -> float:
        try:
            return self.exponentiation_factor**steps
        except OverflowError:
            # A policy without limit outgrows every number; the longest interval bounds it anyway.
            return float_info.max
