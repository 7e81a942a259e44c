"""Halls: where an application is asked over connections, however they come to this process.

Life of a hall: open from ``open`` on, and closed by ``close``: no new connections, then time for
what is under way, then cancellation, to which the application may still answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import Final

from perdure.server.arrivals import Arrival
from perdure.server.exchanges import Application
from perdure.server.lobby import Lobby
from perdure.server.open_files import connections_max
from perdure.storage.forks import close_when_forked

#: Longer than clients and load balancers commonly keep idle connections, so that they close first:
#: a connection closed by the server may have a request on the way.
_PATIENCE_S: Final = 120.0
#: How often the halls look for such connections.
_SWEEP_S: Final = 10.0
#: How long cancelled requests may take to say good-bye.
_FAREWELL_S: Final = 1.0


class Hall:
    """An application, and the connections on which it is asked.

    Args:
        application: an ASGI application.
        streams_max: requests that one connection of HTTP/2 may have under way.
    """

    def __init__(self, application: Application, streams_max: int) -> None:
        self._application = application
        self._streams_max = streams_max
        self._lobby: Lobby | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        #: Connections that were accepted elsewhere, until they are connected.
        self._entering: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Let connections in."""
        loop = asyncio.get_running_loop()
        lobby = self._lobby = Lobby(self._application, connections_max(), self._streams_max)
        close_when_forked(lobby, Lobby.forsake)
        self._tick(loop, lobby)
        self._sweep(loop, lobby)

    def arrive(self) -> Arrival:
        """Give what speaks with the client of a new connection."""
        assert self._lobby is not None, "the hall is open"
        return Arrival(self._lobby)

    def take(self, connection: socket.socket) -> bool:
        """Take a connection that was accepted elsewhere; true, as a hall always does."""
        task = asyncio.get_running_loop().create_task(self._enter(connection))
        self._entering.add(task)
        task.add_done_callback(self._entering.discard)
        return True

    async def _enter(self, connection: socket.socket) -> None:
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().connect_accepted_socket(self.arrive, connection)
        except OSError:  # the client is gone already
            connection.close()

    async def close(self, grace_s: float) -> None:
        """Let nobody in any more; give what is under way so many seconds, then end it."""
        if self._lobby is not None:
            await _empty(self._lobby, grace_s)
        for timer in (self._clock, self._sweeper):
            if timer is not None:
                timer.cancel()

    def _tick(self, loop: asyncio.AbstractEventLoop, lobby: Lobby) -> None:
        """Read the clocks, once a second."""
        lobby.read_clocks()
        # A little after the second has changed, so that the date is never behind by a whole one.
        delay = 1.001 - time.time() % 1.0
        self._clock = loop.call_later(delay, self._tick, loop, lobby)

    def _sweep(self, loop: asyncio.AbstractEventLoop, lobby: Lobby) -> None:
        """End idle connections; one look at all of them now and then is cheaper than timers."""
        lobby.expire(_PATIENCE_S)
        self._sweeper = loop.call_later(_SWEEP_S, self._sweep, loop, lobby)


async def _empty(lobby: Lobby, grace_s: float) -> None:
    lobby.closed = True
    for connection in tuple(lobby.connections):
        connection.shutdown()
    await _settle(lobby, grace_s)
    for exchange in tuple(lobby.under_way):
        exchange.stop()
    await _settle(lobby, _FAREWELL_S)
    await _disconnect(lobby)


async def _settle(lobby: Lobby, timeout_s: float) -> None:
    """Wait until no request is under way, but no longer than that."""
    if lobby.under_way:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(lobby.settled.wait(), timeout_s)


async def _disconnect(lobby: Lobby) -> None:
    """Close what is still connected, and cut off whoever does not take the last answer."""
    lobby.deserted.clear()
    for connection in tuple(lobby.connections):
        connection.close()
    if lobby.connections:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(lobby.deserted.wait(), _FAREWELL_S)
    for connection in tuple(lobby.connections):
        connection.abort()
