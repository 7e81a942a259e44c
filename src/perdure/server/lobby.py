"""What the connections behind a door share: the application, the time, and what is under way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator
from email.utils import formatdate
from typing import Any, Protocol

from perdure.protocol.direct_http import DirectApplication, StreamingApplication
from perdure.server.exchanges import Application, AsgiApplication, CalledBack, Exchange
from perdure.server.http2_sender import STREAMS_MAX
from perdure.server.open_files import CONNECTIONS_MAX
from perdure.server.untaken import UNTAKEN_BYTES_MAX, Backlog, Untaken
from perdure.storage.forks import close_copy


class Guest(Protocol):
    """A connection, as the door sees it."""

    def shutdown(self) -> None:
        """Take no more requests, and end when those under way are answered."""

    def close(self) -> None:
        """End when everything written was sent."""

    def abort(self) -> None:
        """End at once."""

    def forsake(self) -> None:
        """Close the copy of a process that was forked off."""

    def expire(self, before: float) -> None:
        """End if the client has owed us something since before that, by the loop's time."""

    def untaken(self) -> Iterable[Untaken]:
        """Give what waits for the client, unless that is little."""


class Lobby:
    """What the connections behind a door share.

    Args:
        application: what answers requests.
        connections_max: how many connections are kept at the same time.
        streams_max: how many requests one connection of HTTP/2 may have under way.
        untaken_bytes_max: how much may wait for clients that do not take it.
    """

    def __init__(
        self,
        application: Application,
        connections_max: int = CONNECTIONS_MAX,
        streams_max: int = STREAMS_MAX,
        untaken_bytes_max: int = UNTAKEN_BYTES_MAX,
    ) -> None:
        self.connections_max = connections_max
        self.streams_max = streams_max
        self.loop = asyncio.get_running_loop()
        self.connections: set[Guest] = set()
        #: To be told of what clients do not take.
        self.backlog = Backlog(untaken_bytes_max, self._untaken)
        #: The application, in the one form or the other; asked once, as each request needs it.
        self._direct: CalledBack | None = None
        self._gathers = isinstance(application, DirectApplication)
        self._asgi: AsgiApplication | None = None
        if isinstance(application, (DirectApplication, StreamingApplication)):
            self._direct = application
        else:
            self._asgi = application
        #: Requests that the application has not done with.
        self.under_way: set[Exchange] = set()
        #: Set when there are none any more, once the door has closed.
        self.settled = asyncio.Event()
        #: Whether the door has closed behind those who are in.
        self.closed = False
        #: Set when the last connection was lost.
        self.deserted = asyncio.Event()
        self.read_clocks()

    def read_clocks(self) -> None:
        """Read the clocks for all connections; to be called about once a second."""
        #: The loop's time, as of the last reading.
        self.now = self.loop.time()
        #: The date as headers have it, and as a line of HTTP/1.1.
        self.date = formatdate(time.time(), usegmt=True).encode()
        self.date_line = b"date: " + self.date

    def expire(self, patience_s: float) -> None:
        """End the connections whose client has kept us waiting for longer than that."""
        for connection in tuple(self.connections):
            connection.expire(self.now - patience_s)

    def _untaken(self) -> Iterator[Untaken]:
        for connection in self.connections:
            yield from connection.untaken()

    def forsake(self) -> None:
        """Close the copies that a process has which was forked off."""
        for connection in self.connections:
            connection.forsake()

    def leave(self, connection: Guest) -> None:
        """Take note that a connection was lost."""
        self.connections.discard(connection)
        if not self.connections:
            self.deserted.set()

    def serve(self, exchange: Exchange, scope: dict[str, Any]) -> None:
        """Have the application answer.

        Args:
            exchange: request and response.
            scope: what ASGI wants to know about the connection.
        """
        self.under_way.add(exchange)
        if self._direct is not None:
            exchange.begin(self._direct, gathers=self._gathers)
            return
        assert self._asgi is not None, "an application has one of the two forms"
        # Without a name of its own a task is given a number, which takes longer than the rest.
        task = self.loop.create_task(exchange.run(self._asgi, scope), name="request")
        if not task.done():  # as it may be where tasks start eagerly
            exchange.task = task

    def finished(self, exchange: Exchange) -> None:
        """Take note that the application has done with a request."""
        self.under_way.discard(exchange)
        if self.closed and not self.under_way:
            self.settled.set()


def forsake(transport: asyncio.Transport) -> None:
    """Close the copy that a process which was forked off has of a connection."""
    if not transport.is_closing():
        close_copy(transport.get_extra_info("socket").fileno())


def connection_scope(transport: asyncio.BaseTransport) -> dict[str, Any]:
    """Give what ASGI wants to know about a connection."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "scheme": "http",
        "root_path": "",
        "client": _address(transport.get_extra_info("peername")),
        "server": _address(transport.get_extra_info("sockname")),
    }


def _address(address: Any) -> tuple[str, int] | None:
    """Give host and port as ASGI has them."""
    return (address[0], address[1]) if isinstance(address, tuple) else None
