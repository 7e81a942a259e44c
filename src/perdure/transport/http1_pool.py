"""The HTTP/1.1 connections to one server: one for each exchange, used again while it is fresh."""

from __future__ import annotations

import asyncio
from typing import Final

from perdure.transport.exchanges import Exchange, LostError
from perdure.transport.http1 import Http1Connection
from perdure.transport.network import Network, Origin, UnreachableError

#: How long an idle connection is kept: less than common servers (Node.js: five seconds) keep it.
IDLE_S: Final = 4.0
#: Idle connections to one server.
IDLE_MAX: Final = 128


class Http1Pool:
    """Hands exchanges to idle connections, or opens one for them."""

    def __init__(self, origin: Origin, network: Network) -> None:
        self._origin = origin
        self._network = network
        self._loop = asyncio.get_running_loop()
        #: Idle connections, the ones used last at the end, and when to close each.
        self._idle: dict[Http1Connection, asyncio.TimerHandle] = {}
        self._connections: set[Http1Connection] = set()
        self._dialling: set[asyncio.Task[None]] = set()
        self._closed = False

    def open(self, exchange: Exchange) -> None:
        """Carry an exchange as soon as there is a connection for it."""
        if self._closed:
            exchange.lose(LostError("this server stops"))
            return
        while self._idle:
            connection, timer = self._idle.popitem()
            timer.cancel()
            if connection.usable:
                connection.open(exchange)
                return
        task = self._loop.create_task(self._connect(exchange))
        self._dialling.add(task)
        task.add_done_callback(self._dialling.discard)

    async def close(self) -> None:
        """Close all connections; what they carry is lost."""
        self._closed = True
        for task in self._dialling:
            task.cancel()
        await asyncio.gather(*self._dialling, return_exceptions=True)
        for connection in list(self._connections):
            connection.close()

    def idle(self, connection: Http1Connection) -> None:
        """Keep a connection for the next exchange, for a while."""
        if len(self._idle) >= IDLE_MAX:
            connection.close()
        else:
            self._idle[connection] = self._loop.call_later(IDLE_S, connection.close)

    def broken(self, exchange: Exchange, reason: str) -> None:
        """Try an exchange once more: the server may just have closed an idle connection."""
        if exchange.rewind(tries=1):
            self.open(exchange)
        else:
            exchange.lose(LostError(reason))

    def gone(self, connection: Http1Connection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)
        timer = self._idle.pop(connection, None)
        if timer is not None:
            timer.cancel()

    async def _connect(self, exchange: Exchange) -> None:
        def factory() -> Http1Connection:
            return Http1Connection(self._origin, self)

        try:
            connection, _ = await self._network.connect(self._origin, factory, ("http/1.1",))
        except UnreachableError as error:
            exchange.lose(LostError(str(error)))
            return
        self._connections.add(connection)
        if not connection.usable:
            exchange.lose(LostError("the service closed the connection at once"))
        elif exchange.over:
            self.idle(connection)
        else:
            connection.open(exchange)
