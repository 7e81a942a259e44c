"""The system's clock and chance: the only place where the engine asks for either."""

from __future__ import annotations

import os
import random
import time
from typing import Final

#: Random bytes fetched at a time: asking the system costs more than a whole record does.
_POOL_BYTES: Final = 4096


class SystemClock:
    """Time of the machine and randomness of the operating system."""

    def __init__(self) -> None:
        self._pool = b""
        self._used = 0

    def now_ms(self) -> int:
        """Give the milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def chance(self) -> float:
        """Give a number from 0 up to, but excluding, 1; it only places jitter."""
        return random.random()  # noqa: S311 - jitter needs no secrecy

    def random_bytes(self, count: int) -> bytes:
        """Give so many bytes that nobody can guess."""
        assert count <= _POOL_BYTES
        start = self._used
        if start + count > len(self._pool):
            self._pool, start = os.urandom(_POOL_BYTES), 0
        self._used = start + count
        return self._pool[start : start + count]
