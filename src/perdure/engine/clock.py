"""The system's clock and chance: the only place where the engine asks for either."""

from __future__ import annotations

import os
import random
import time


class SystemClock:
    """Time of the machine and randomness of the operating system."""

    def now_ms(self) -> int:
        """Give the milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def chance(self) -> float:
        """Give a number from 0 up to, but excluding, 1; it only places jitter."""
        return random.random()  # noqa: S311 - jitter needs no secrecy

    def random_bytes(self, count: int) -> bytes:
        """Give so many bytes that nobody can guess."""
        return os.urandom(count)
