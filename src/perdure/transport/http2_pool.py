"""The HTTP/2 connections to one server, and the exchanges that wait for one."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from perdure.transport.exchanges import Exchange, LostError, NotHttp2Error
from perdure.transport.http2_connection import Http2Connection
from perdure.transport.network import Network, Origin, UnreachableError

#: Connections to one server; each carries up to 128 exchanges, or fewer if the server wants so.
CONNECTIONS_MAX: Final = 64


class Http2Pool:
    """Hands exchanges to connections with room, and opens connections as they are needed."""

    def __init__(self, origin: Origin, network: Network) -> None:
        self._origin = origin
        self._network = network
        self._loop = asyncio.get_running_loop()
        self._connections: list[Http2Connection] = []
        #: Those that have room, or had when they were last looked at.
        self._roomy: dict[Http2Connection, None] = {}
        #: All that are not closed yet: those above, and those that take no more exchanges.
        self._unclosed: set[Http2Connection] = set()
        self._waiting: deque[Exchange] = deque()
        self._dialling: set[asyncio.Task[None]] = set()

    def open(self, exchange: Exchange) -> None:
        """Carry an exchange as soon as there is a connection for it."""
        connection = None if self._waiting else self._with_room()
        if connection is not None:
            connection.open(exchange)
            return
        self._waiting.append(exchange)
        self._loop.call_later(self._network.options.connect_timeout_s, self._expire, exchange)
        self._dial()

    async def close(self) -> None:
        """Close all connections; what they carry is lost."""
        for task in self._dialling:
            task.cancel()
        await asyncio.gather(*self._dialling, return_exceptions=True)
        connections = list(self._unclosed)
        for connection in connections:
            connection.close()
        await asyncio.gather(*(connection.closed for connection in connections))

    def changed(self, connection: Http2Connection) -> None:
        """Use the room that a connection has, or forget it."""
        if connection.gone:
            if connection in self._connections:
                self._connections.remove(connection)
            self._roomy.pop(connection, None)
            if self._waiting:
                self._dial()
            return
        while self._waiting and connection.room:
            exchange = self._waiting.popleft()
            if not exchange.over:
                connection.open(exchange)
        if connection not in self._roomy and connection.room:
            self._roomy[connection] = None

    def again(self, exchange: Exchange, reason: str) -> None:
        """Carry an exchange on another connection, unless it was refused too often."""
        if exchange.rewind():
            self.open(exchange)
        else:
            exchange.lose(LostError(reason))

    def broken(self, exchange: Exchange, error: LostError) -> None:
        """Try an exchange once more: the server may just have closed an idle connection."""
        if exchange.rewind(tries=1):
            self.open(exchange)
        else:
            exchange.lose(error)

    def _with_room(self) -> Http2Connection | None:
        """Give a connection that takes another exchange: the same one until it is full."""
        while self._roomy:
            connection = next(reversed(self._roomy))
            if connection.room:
                return connection
            del self._roomy[connection]
        return None

    def _dial(self) -> None:
        """Open a connection, unless one is on its way or there are enough."""
        if not self._dialling and len(self._connections) < CONNECTIONS_MAX:
            task = self._loop.create_task(self._connect())
            self._dialling.add(task)
            task.add_done_callback(self._dialling.discard)

    async def _connect(self) -> None:
        def factory() -> Http2Connection:
            return Http2Connection(self._origin, self, self._network.options)

        try:
            connection, alpn = await self._network.connect(self._origin, factory, ("h2",))
        except UnreachableError as error:
            self._fail(LostError(str(error)))
            return
        if self._origin.scheme == "https" and alpn != "h2":
            connection.close()
            self._fail(NotHttp2Error("the service does not agree to HTTP/2"))
            return
        try:
            async with asyncio.timeout(self._network.options.connect_timeout_s):
                greeted = await connection.greeted
        except TimeoutError:
            greeted = False
        except asyncio.CancelledError:
            connection.close()
            raise
        if not greeted:
            connection.close()
            self._fail(NotHttp2Error("the service does not answer in HTTP/2"))
            return
        self._connections.append(connection)
        self._unclosed.add(connection)
        connection.closed.add_done_callback(lambda _: self._unclosed.discard(connection))
        self.changed(connection)
        if self._waiting:
            # Called from within the task that counts as dialling.
            self._loop.call_soon(self._dial)

    def _fail(self, error: LostError) -> None:
        waiting, self._waiting = self._waiting, deque()
        for exchange in waiting:
            exchange.lose(error)

    def _expire(self, exchange: Exchange) -> None:
        if exchange in self._waiting:
            self._waiting.remove(exchange)
            timeout_s = self._network.options.connect_timeout_s
            full = "all connections to the service are full"
            exchange.lose(
                LostError(full if self._connections else f"no connection within {timeout_s:g} s")
            )
