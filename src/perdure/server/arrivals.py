"""A new connection, until its first bytes tell which version of HTTP the client speaks.

HTTP/2 is spoken to clients that begin with its preface, as those do that know that they may. Any
other beginning is read as HTTP/1.1.
"""

from __future__ import annotations

import asyncio
from typing import cast

from perdure.server.http1 import Http1Connection
from perdure.server.http2_connection import Http2Connection
from perdure.server.lobby import Lobby, forsake
from perdure.server.untaken import Untaken
from perdure.transport.http2_frames import PREFACE


class Arrival(asyncio.Protocol):
    """A connection of which nothing, or too little, has been heard.

    Args:
        lobby: what connections share.
    """

    def __init__(self, lobby: Lobby) -> None:
        self._lobby = lobby
        self._heard = b""
        self._since = lobby.now

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's transports have the interface without being instances of the class.
        self._transport = cast(asyncio.Transport, transport)
        lobby = self._lobby
        if lobby.closed or len(lobby.connections) >= lobby.connections_max:
            self._transport.abort()  # accepted at the last moment, or one too many
        lobby.connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """End."""
        self._lobby.leave(self)

    def data_received(self, data: bytes) -> None:
        """Listen, and hand over once it is clear to whom."""
        self._heard += data
        if self._heard.startswith(PREFACE):
            self._hand_over(Http2Connection(self._lobby), self._heard[len(PREFACE) :])
        elif not PREFACE.startswith(self._heard):
            self._hand_over(Http1Connection(self._lobby), self._heard)

    def _hand_over(self, connection: Http1Connection | Http2Connection, heard: bytes) -> None:
        connection.connection_made(self._transport)
        self._lobby.connections.discard(self)
        self._transport.set_protocol(connection)
        if heard:
            connection.data_received(heard)

    def shutdown(self) -> None:
        """End: there is no request under way."""
        self._transport.close()

    def close(self) -> None:
        """End."""
        self._transport.close()

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()

    def forsake(self) -> None:
        """Close the copy of a process that was forked off."""
        forsake(self._transport)

    def untaken(self) -> tuple[Untaken, ...]:
        """Give what waits for the client: nothing, since it has not asked."""
        return ()

    def expire(self, before: float) -> None:
        """End if nothing has been heard since before that, by the loop's time."""
        if self._since < before:
            self._transport.close()
