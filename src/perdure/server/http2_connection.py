"""One connection of HTTP/2 on a socket: the machine, and the transport's back pressure.

What many requests have to say within one turn of the event loop is sent as one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final, cast

from perdure.server.exchanges import Exchange
from perdure.server.http2 import Http2
from perdure.server.lobby import Lobby, connection_scope, forsake
from perdure.server.untaken import Untaken
from perdure.transport.http2_frames import ErrorCode, PeerError

#: How long a client that was told of the end may go on sending, in seconds: a socket that is closed
#: at once, with bytes unread, is reset, and the client might never see the last response.
_LINGER_S: Final = 2.0


class Http2Connection(asyncio.Protocol):
    """One connection to a client that has said the preface.

    Args:
        lobby: what it shares with others.
    """

    def __init__(self, lobby: Lobby) -> None:
        self._lobby = lobby
        self.clocks = lobby
        self._machine = Http2(self, lobby.streams_max)
        self._flush_planned = False
        self._blocked = False
        self._lingering: asyncio.TimerHandle | None = None
        #: When the client last sent or took something, by the loop's time.
        self._since = lobby.now
        #: What the client had not taken when we last looked, in bytes.
        self._unsent = 0

    # -- For the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's transports have the interface without being instances of the class.
        self._transport = cast(asyncio.Transport, transport)
        self._lobby.connections.add(self)
        self._scope = connection_scope(transport)
        self.wanted()
        if self._lobby.closed:
            self.shutdown()

    def connection_lost(self, _error: Exception | None) -> None:
        """End."""
        if self._lingering is not None:
            self._lingering.cancel()
        self._blocked = True
        self._machine.abandon()
        self._lobby.leave(self)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if self._lingering is not None:
            return
        self._since = self._lobby.now
        self._flush_planned = True  # behind all that this brings about
        try:
            self._machine.receive(data)
        except PeerError as error:
            self._machine.abandon()
            self._end(error.code)
            return
        finally:
            self._flush_planned = False
        self._flush()

    def pause_writing(self) -> None:
        """Let frames wait."""
        self._blocked = True

    def resume_writing(self) -> None:
        """Let frames go on."""
        self._blocked = False
        self._since = self._lobby.now
        self._flush()

    # -- For the machine

    def begin(self, exchange: Exchange) -> None:
        """Have a request answered."""
        self._lobby.serve(exchange, self._scope)

    def finished(self, exchange: Exchange) -> None:
        """Take note that an application is done with a request."""
        self._lobby.finished(exchange)

    def keep(self, size: int) -> None:
        """Take note that so much more waits for the client."""
        self._lobby.backlog.add(size)

    def wanted(self) -> None:
        """Send what there is to send, at the end of this turn of the loop."""
        if not self._flush_planned:
            self._flush_planned = True
            self._lobby.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_planned = False
        if self._lingering is not None:
            return  # the last word was said
        transport = self._transport
        while not self._blocked:
            output = self._machine.sender.output()
            if not output:
                break
            transport.write(output)
        if self._machine.leaving and self._machine.idle and not self._blocked:
            self._end()

    def _end(self, code: ErrorCode = ErrorCode.NO_ERROR) -> None:
        """Say so and hang up, and wait a moment for the client to do so too."""
        if self._lingering is not None or self._transport.is_closing():
            return
        self._transport.write(self._machine.farewell(code))
        # Gone, of which we are still to be told; or TLS, which cannot end one direction alone.
        with contextlib.suppress(OSError, NotImplementedError):
            self._transport.write_eof()
        self._lingering = self._lobby.loop.call_later(_LINGER_S, self._transport.abort)

    # -- The end

    def shutdown(self) -> None:
        """Take no more requests, and end when those under way are answered."""
        self._machine.leave()

    def close(self) -> None:
        """End when everything written was sent."""
        self._machine.leave()
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()

    def forsake(self) -> None:
        """Close the copy of a process that was forked off."""
        forsake(self._transport)

    def untaken(self) -> Iterator[Untaken]:
        """Give what waits for the client, by streams, unless that is little."""
        if self._blocked:
            yield self._look()
        yield from self._machine.untaken()

    def _look(self) -> Untaken:
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent = unsent
            self._since = self._lobby.now
        return Untaken(self._since, unsent, self.abort)

    def expire(self, before: float) -> None:
        """End what the client has owed us something for since before that, by the loop's time."""
        if self._blocked:
            if self._look().since < before:
                self._transport.abort()
            return
        self._machine.expire(before)
        if self._machine.idle and self._since < before:
            self.shutdown()
