"""Who waits for several durable futures: until all of them are done, or for each as it comes."""

from __future__ import annotations

import asyncio
from typing import Any


class AllOf:
    """A waiter that goes on once all its futures are done."""

    __slots__ = ("_missing", "waiter")
    is_enough_with_one = False
    is_subscribed = False

    def __init__(self, loop: asyncio.AbstractEventLoop, missing: int) -> None:
        self.waiter: asyncio.Future[None] = asyncio.Future(loop=loop)
        self._missing = missing

    def tell(self, _done: asyncio.Future[Any]) -> None:
        """Take note that one more future is done."""
        self._missing -= 1
        if not self._missing and not self.waiter.done():
            self.waiter.set_result(None)


class Arrivals:
    """Those of many futures that are done, each once; waits whenever there is none.

    Attributes:
        is_subscribed: Whether somebody will ask for the next one, be it not right now.
    """

    __slots__ = ("_arrived", "_loop", "is_subscribed", "waiter")
    is_enough_with_one = True

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.waiter: asyncio.Future[None] = asyncio.Future(loop=loop)
        self.waiter.cancel()  # Nobody waits yet.
        self._arrived: list[asyncio.Future[Any]] = []
        self.is_subscribed = True

    def tell(self, done: asyncio.Future[Any]) -> None:
        """Take note that one more future is done."""
        self._arrived.append(done)
        if not self.waiter.done():
            self.waiter.set_result(None)

    async def next(self) -> list[asyncio.Future[Any]]:
        """Wait until there is any, and give all that came since the last time."""
        if not self._arrived:
            self.waiter = asyncio.Future(loop=self._loop)
            await self.waiter
        arrived, self._arrived = self._arrived, []
        return arrived
