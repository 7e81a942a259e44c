"""The lifespan of an application behind an ASGI server.

Servers that speak the lifespan protocol say when to enter it and when to leave. An application that
is mounted into another hears nothing of that. The outer one may enter it in its own lifespan
(:meth:`AsgiLifespan.open`); else it is entered with the first request, and left when the event loop
ends, which few servers wait for.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

from perdure.sdk.host import Host


class AsgiLifespan:
    """Enters and leaves the lifespan of an application.

    Args:
        host: The application's services.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._keeper: asyncio.Task[None] | None = None
        self._entered: asyncio.Future[None] | None = None

    async def serve(
        self,
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Do what the server says; return when it has said that all is over."""
        await receive()
        try:
            await self._host.startup()
        except Exception:  # noqa: BLE001 - told to the server, which does not start then
            await send({"type": "lifespan.startup.failed", "message": traceback.format_exc()})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        try:
            await self._host.shutdown()
        except Exception:  # noqa: BLE001 - told to the server
            await send({"type": "lifespan.shutdown.failed", "message": traceback.format_exc()})
            return
        await send({"type": "lifespan.shutdown.complete"})

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Enter the lifespan until the block is left, unless somebody has entered it already."""
        if not self._host.needs_startup:
            yield
            return
        await self._host.startup()
        try:
            yield
        finally:
            await self._host.shutdown()

    async def enter(self) -> None:
        """Enter the lifespan because a request needs it; many may ask at the same time."""
        if self._entered is None or self._entered.done():
            self._entered = asyncio.get_running_loop().create_future()
            # A task of its own, because some context managers must be left by whoever entered.
            self._keeper = asyncio.create_task(self._keep(self._entered))
        await asyncio.shield(self._entered)

    async def _keep(self, entered: asyncio.Future[None]) -> None:
        try:
            await self._host.startup()
        except Exception as error:  # noqa: BLE001 - raised in the requests that wait for it
            entered.set_exception(error)
            return
        entered.set_result(None)
        try:
            # Cancelled when the loop ends.
            await asyncio.get_running_loop().create_future()
        finally:
            await self._host.shutdown()
