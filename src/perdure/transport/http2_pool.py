"""The HTTP/2 connections to one server, and the exchanges that wait for one."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from perdure.transport.exchanges import Exchange, LostError, NotHttp2Error, PartedError
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
        #: Exchanges, and until when they wait, by the loop's time; the oldest comes first.
        self._waiting: deque[tuple[Exchange, float]] = deque()
        #: One for all: a timer each would keep in memory what has long gone on.
        self._alarm: asyncio.TimerHandle | None = None
        self._dialling: set[asyncio.Task[bool]] = set()
        #: Whether a connection that was made is still to be answered.
        self._greeting = False
        self._closed = False

    def open(self, exchange: Exchange) -> None:
        """Carry an exchange as soon as there is a connection for it."""
        if self._closed:
            exchange.lose(LostError("this server stops"))
            return
        connection = None if self._waiting else self._with_room()
        if connection is not None:
            connection.open(exchange)
            return
        until = self._loop.time() + self._network.options.connect_timeout_s
        self._waiting.append((exchange, until))
        if self._alarm is None:
            self._alarm = self._loop.call_at(until, self._expire)
        self._dial()

    async def close(self) -> None:
        """Close all connections; what they carry is lost."""
        self._closed = True
        if self._alarm is not None:
            self._alarm.cancel()
        self._fail(LostError("this server stops"))
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
        while self._waiting and connection.has_room:
            exchange, _ = self._waiting.popleft()
            if not exchange.over:
                connection.open(exchange)
        if connection not in self._roomy and connection.has_room:
            self._roomy[connection] = None

    def again(self, exchange: Exchange, reason: str) -> None:
        """Carry an exchange on another connection, unless it was refused too often.

        It was never looked at, as by a service that leaves: that is nobody's failure.
        """
        if exchange.rewind():
            self.open(exchange)
        else:
            exchange.lose(PartedError(reason))

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
            if connection.has_room:
                return connection
            del self._roomy[connection]
        return None

    def _dial(self) -> None:
        """Open a connection, unless one is on its way or there are enough."""
        if not self._dialling and len(self._connections) < CONNECTIONS_MAX:
            task = self._loop.create_task(self._connect())
            self._dialling.add(task)
            task.add_done_callback(self._dialled)

    def _dialled(self, task: asyncio.Task[bool]) -> None:
        """Open the next connection, if the one that was opened took any of what waits."""
        self._dialling.discard(task)
        if self._waiting and not task.cancelled() and task.result():
            self._dial()

    async def _connect(self) -> bool:
        """Open a connection; tell whether it took any of what waits for one."""

        def factory() -> Http2Connection:
            return Http2Connection(self._origin, self, self._network.options)

        try:
            connection, alpn = await self._network.connect(self._origin, factory, ("h2",))
        except UnreachableError as error:
            self._fail(LostError(str(error)))
            return False
        if self._origin.scheme == "https" and alpn != "h2":
            connection.close()
            self._fail(NotHttp2Error("the service does not agree to HTTP/2"))
            return False
        failure = await self._greet(connection)
        if failure is not None:
            connection.close()
            self._fail(failure)
            return False
        self._connections.append(connection)
        self._unclosed.add(connection)
        connection.closed.add_done_callback(lambda _: self._unclosed.discard(connection))
        self.changed(connection)
        if connection.gone and not connection.used:
            self._fail(LostError("the service closes connections as soon as they are open"))
        return connection.used

    async def _greet(self, connection: Http2Connection) -> LostError | None:
        """Wait until the service has said what it takes; say what is wrong if it does not."""
        self._greeting = True
        try:
            async with asyncio.timeout(self._network.options.connect_timeout_s):
                greeted = await connection.greeted
        except TimeoutError:
            return LostError(self._silence())
        except asyncio.CancelledError:
            connection.close()
            raise
        finally:
            self._greeting = False
        return None if greeted else NotHttp2Error("the service does not answer in HTTP/2")

    def _silence(self) -> str:
        """Say what is waited for in vain."""
        timeout_s = self._network.options.connect_timeout_s
        if self._greeting:
            return f"the service took the connection, and did not answer within {timeout_s:g} s"
        if self._connections:
            return "all connections to the service are full"
        return f"no connection within {timeout_s:g} s"

    def _fail(self, error: LostError) -> None:
        waiting, self._waiting = self._waiting, deque()
        for exchange, _ in waiting:
            exchange.lose(error)

    def _expire(self) -> None:
        """Give up what has waited for too long."""
        self._alarm = None
        now = self._loop.time()
        while self._waiting and self._waiting[0][1] <= now:
            exchange, _ = self._waiting.popleft()
            exchange.lose(LostError(self._silence()))
        if self._waiting and self._alarm is None:
            self._alarm = self._loop.call_at(self._waiting[0][1], self._expire)
