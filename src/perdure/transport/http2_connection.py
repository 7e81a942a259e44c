"""One HTTP/2 connection on a socket: the machine, its timers, and the transport's back pressure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Protocol, cast

from perdure.transport.exchanges import Exchange, LostError, PartedError
from perdure.transport.http2 import Http2
from perdure.transport.http2_frames import ErrorCode, PeerError
from perdure.transport.network import NetworkOptions, Origin

logger = logging.getLogger("perdure.transport")

#: How long a peer may take for the last words to it, in seconds.
LEAVE_S: Final = 1.0
_PING: Final = b"perdure\x00"
#: Bytes with the transport above which nothing more is framed.
_HIGH_WATER: Final = 128 * 1024


class Pool(Protocol):
    """Who hands exchanges to connections."""

    def changed(self, connection: Http2Connection) -> None:
        """A connection has more room, or none any more."""

    def again(self, exchange: Exchange, reason: str) -> None:
        """The service did not look at an exchange, which needs another connection."""

    def broken(self, exchange: Exchange, error: LostError) -> None:
        """The connection went away under an exchange that had no answer yet, or only part of it."""


class Http2Connection(asyncio.Protocol):
    """A connection of a pool."""

    def __init__(self, origin: Origin, pool: Pool, options: NetworkOptions) -> None:
        self._pool = pool
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._machine = Http2(origin.scheme, origin.authority, self, options.http2)
        #: Carries an exchange; there must be room.
        self.open: Callable[[Exchange], None] = self._machine.sender.open
        self._transport: asyncio.Transport | None = None
        self._flush_planned = False
        self._blocked = False
        #: Whether what the peer sent is being taken, and whether there is more room by then.
        self._receiving = self._freed = False
        #: Whether the peer took nothing since the last look, and what it had taken by then.
        self._stalled = False
        self._taken = 0
        #: When the peer last said anything, and when the last exchange ended.
        self._heard = self._quiet_since = self._loop.time()
        self._pinged: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reason = "the connection to the service was closed"
        #: Done once the peer has said what it takes, or the connection is gone.
        self.greeted: asyncio.Future[bool] = self._loop.create_future()
        #: Done once the connection is gone: soon after it was closed.
        self.closed: asyncio.Future[None] = self._loop.create_future()

    @property
    def has_room(self) -> bool:
        """Whether the connection takes another exchange now."""
        return self._machine.greeted and not self._stalled and self._machine.sender.has_room

    @property
    def gone(self) -> bool:
        """Whether the connection takes no more exchanges, ever."""
        return self._machine.sender.leaving

    @property
    def used(self) -> bool:
        """Whether the connection ever took an exchange."""
        return self._machine.sender.was_opened(1)

    def close(self) -> None:
        """Close the connection; what it carries is lost."""
        self._end(ErrorCode.NO_ERROR, "this server stops")

    # -----------------------------------------------------------------------------------------
    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to speak."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(_HIGH_WATER)
        self._flush()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what the peer sent."""
        self._heard, self._pinged = self._loop.time(), None
        self._receiving = True
        try:
            self._machine.receive(data)
        except PeerError as error:
            self._end(error.code, f"the service broke the rules of HTTP/2: {error}")
            return
        finally:
            self._receiving = False
            if self._freed:
                self._freed = False
                self.freed()
        if self._machine.greeted and not self.greeted.done():
            self.greeted.set_result(True)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what was under way."""
        if exc is not None:
            self._reason = f"the connection to the service broke: {exc}"
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        if not self.greeted.done():
            self.greeted.set_result(False)
        kind = PartedError if self._machine.parting else LostError
        for exchange in self._machine.sender.abandon():
            self._pool.broken(exchange, kind(self._reason))
        self._pool.changed(self)
        self.closed.set_result(None)

    def pause_writing(self) -> None:
        """Frame nothing more until the peer has taken what there is."""
        self._blocked = True

    def resume_writing(self) -> None:
        """Go on."""
        self._blocked = False
        self._flush()

    # -----------------------------------------------------------------------------------------
    # Called by the machine

    def wanted(self) -> None:
        """Send what there is, together with what else this turn of the loop brings."""
        if not self._flush_planned and not self._blocked:
            self._flush_planned = True
            self._loop.call_soon(self._flush)

    def freed(self) -> None:
        """Make room known: once for all that came in one piece."""
        if self._receiving:
            self._freed = True
            return
        self._quiet_since = self._loop.time()
        sender = self._machine.sender
        if sender.leaving and not sender.streams and self._transport is not None:
            self._leave(self._transport)
        self._pool.changed(self)

    def refused(self, exchange: Exchange, reason: str) -> None:
        """Try an exchange elsewhere."""
        self._pool.again(exchange, reason)

    # -----------------------------------------------------------------------------------------

    def _flush(self) -> None:
        self._flush_planned = False
        while not self._blocked and self._transport is not None:
            output = self._machine.sender.output()
            if not output:
                return
            self._transport.write(output)

    def _look_for_stall(self) -> None:
        """Bring nothing more to a peer that takes nothing: one exchange may hold up all others."""
        sender, stalled = self._machine.sender, self._stalled
        self._stalled = sender.shut and sender.contents == self._taken
        self._taken = sender.contents
        if stalled and not self._stalled:
            self._pool.changed(self)

    def _end(self, code: ErrorCode, reason: str) -> None:
        if self._transport is None:
            return
        self._reason = reason
        self._machine.sender.leave(code)
        self._blocked = False
        self._flush()
        if self._transport is not None:
            self._leave(self._transport)

    def _leave(self, transport: asyncio.Transport) -> None:
        """Close, and do not wait long for a peer that does not take what it was told last."""
        transport.close()
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(LEAVE_S, transport.abort)

    def _watch(self) -> None:
        """Ask silent peers for a sign of life; close what nobody has used for long."""
        options, now = self._options, self._loop.time()
        if self._transport is None:
            return
        if self._pinged is not None and now - self._pinged >= options.ping_timeout_s:
            self._reason = f"the service gave no sign of life for {options.ping_timeout_s:g} s"
            self._transport.abort()
            return
        if not self._machine.sender.streams and now - self._quiet_since >= options.idle_timeout_s:
            self._end(ErrorCode.NO_ERROR, "the connection was idle")
            return
        self._look_for_stall()
        if self._pinged is None and now - self._heard >= options.ping_interval_s:
            self._pinged = now
            self._machine.ping(_PING)
        period = min(options.ping_interval_s, options.ping_timeout_s) / 4
        self._timer = self._loop.call_later(period, self._watch)
