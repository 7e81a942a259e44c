"""The end of an attempt, and what libraries keep until then."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

_logger = logging.getLogger(__name__)


class Finished:
    """The moment when an attempt ends, to be awaited on any loop of this thread.

    Attributes:
        data: What libraries keep for the time of the attempt, by keys of their own; whatever has
            a ``__close__`` is closed at the end.
    """

    __slots__ = ("_over", "_waiters", "data")

    def __init__(self) -> None:
        self._over = False
        self._waiters: list[asyncio.Future[None]] = []
        self.data: dict[str, Any] = {}

    def is_set(self) -> bool:
        """Tell whether the attempt is over."""
        return self._over

    async def wait(self) -> None:
        """Wait until the attempt is over."""
        if self._over:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def set(self) -> None:
        """Let everybody know that it is over."""
        self._over = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        while self.data:
            _close(*self.data.popitem())


def _close(key: str, value: Any) -> None:
    close = getattr(value, "__close__", None)
    if close is None:
        return
    try:
        close()
    except Exception:
        # Whatever it is, the attempt has ended, and the others are to be closed as well.
        _logger.exception("%s, kept for the time of an attempt, could not be closed", key)
