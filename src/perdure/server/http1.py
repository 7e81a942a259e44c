"""One connection of HTTP/1.1: requests are answered in the order in which they came.

Requests that arrive before the ones in front of them are answered wait in a line; while they do,
nothing more is read. Nor is it while an application leaves more than a little of a body unread.

What is no HTTP is refused only after all requests in front of it were answered, and ends the
connection.

A connection that ends while the client may still be sending is closed for writing first and drained
for a moment: closed at once, unread bytes would make the system reset it, and the client might
never see the last response.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from http import HTTPStatus
from typing import Final, cast

from perdure.server.exchanges import EXCUSES, Exchange
from perdure.server.heads import RequestHead
from perdure.server.http1_requests import BadRequestError, RequestReader
from perdure.server.http1_response import Http1Response
from perdure.server.http1_text import CONTINUE, error_response
from perdure.server.lobby import Lobby, connection_scope, forsake
from perdure.server.untaken import Untaken

#: What an application may leave unread of a body before the client has to wait.
_UNREAD_BYTES_MAX: Final = 64 * 1024
#: How long a client that was told of the end may go on sending, in seconds.
_LINGER_S: Final = 2.0


class Http1Connection(asyncio.Protocol):
    """One connection to a client.

    ``_current`` is the exchange whose response is due, or whose request is still to be received to
    its end; ``_line`` are those behind it; ``_incoming`` is the last of all these, as long as its
    request is incomplete.

    Args:
        lobby: what it shares with others.
    """

    def __init__(self, lobby: Lobby) -> None:
        self._lobby = lobby
        self._reader = RequestReader(self)
        self._current: Exchange | None = None
        self._line: deque[Exchange] = deque()
        self._incoming: Exchange | None = None
        #: Whether what is received is still read as requests.
        self._listening = True
        #: Whether requests that waited are being begun, one after the other.
        self._turning = False
        #: The answer to what is no request, due when all requests are answered.
        self._refusal: bytes | None = None
        self._paused = False
        #: Whether the client takes nothing of what it is sent.
        self._stuck = False
        self._lingering: asyncio.TimerHandle | None = None
        #: When the client last did what we wait for, by the loop's time.
        self._since = lobby.now
        #: What the client had not taken when we last looked, in bytes.
        self._unsent = 0
        #: Set while the client takes what it is sent.
        self.writable = asyncio.Event()
        self.writable.set()

    # -- For the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's transports have the interface without being instances of the class.
        self._transport = cast(asyncio.Transport, transport)
        if self._lobby.closed:
            self._transport.abort()  # accepted at the last moment
        self._lobby.connections.add(self)
        self._scope = connection_scope(self._transport)

    def connection_lost(self, _error: Exception | None) -> None:
        """End."""
        self._listening = False
        self._line.clear()
        self.writable.set()
        if self._lingering is not None:
            self._lingering.cancel()
        if self._current is not None:
            self._current.lose_client()
        self._lobby.leave(self)

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        if not self._listening:
            return
        if not self._reader.undigested:
            # A request begins, which is to come in good time. A head that comes bit by bit gets
            # no more for each.
            self._since = self._lobby.now
        try:
            self._reader.feed(data)
        except BadRequestError as error:
            if self._listening:
                self._refuse(error)

    def pause_writing(self) -> None:
        """Let responses wait."""
        self._stuck = True
        self.writable.clear()
        self._unsent = self._transport.get_write_buffer_size()
        self._lobby.backlog.add(self._unsent)

    def resume_writing(self) -> None:
        """Let responses go on."""
        self._stuck = False
        self.writable.set()
        if self._current is None:
            self._turn()

    # -- For the reader

    def head_arrived(self, head: RequestHead) -> None:
        """Begin an exchange, or let it wait for its turn."""
        if not self._listening:
            return  # the connection has ended within what was received at once
        response = Http1Response(head.method, head.version, head.keep_alive)
        exchange = self._incoming = Exchange(self, head, response)
        if self._current is None and not self._stuck:
            self._begin(exchange)
        else:
            self._line.append(exchange)
            self._regulate()

    def body_arrived(self, chunk: bytes) -> None:
        """Hand it to the last exchange."""
        exchange = self._incoming
        if exchange is None:
            return  # nobody listens
        self._since = self._lobby.now
        exchange.take_body(chunk)
        if exchange.buffered > _UNREAD_BYTES_MAX:
            self._regulate()

    def request_ended(self) -> None:
        """Complete the last exchange's request."""
        exchange = self._incoming
        if exchange is None:
            return  # nobody listens
        self._incoming = None
        if not exchange.response.keep_alive:
            self._listening = False  # what follows the last request is for nobody
        answered = exchange.response.complete
        exchange.end_body()  # which may bring the answer, and the turn of the next
        if answered and self._current is exchange:  # else the connection has ended with its answer
            self._advance()

    # -- For exchanges

    @property
    def date(self) -> bytes:
        """The header that tells the time."""
        return self._lobby.date_line

    def invite(self) -> None:
        """Tell the client to send the body."""
        self.write(CONTINUE)

    def write(self, content: bytes) -> None:
        """Send bytes, or keep them until they can be sent."""
        self._since = self._lobby.now
        self._transport.write(content)

    def consumed(self) -> None:
        """Read on, if it was the unread body that prevented it."""
        self._since = self._lobby.now
        if self._paused:
            self._regulate()

    def answered(self, exchange: Exchange) -> None:
        """Turn to the next request once this one is complete as well."""
        if exchange is not self._incoming:
            self._advance()
        elif not exchange.response.keep_alive:
            self._end()
        else:
            self.consumed()

    def finished(self, exchange: Exchange, status: HTTPStatus) -> None:
        """End the connection unless the response is complete."""
        self._lobby.finished(exchange)
        if exchange.response.complete or self._transport.is_closing():
            return
        if exchange.response.opened:
            # So that nobody takes for the whole what is only a part.
            self._transport.abort()
            return
        if self._refusal is None:
            self._refusal = error_response(status, EXCUSES[status])
        self._end()

    def _begin(self, exchange: Exchange) -> None:
        self._current = exchange
        self._lobby.serve(exchange, self._scope)

    def _advance(self) -> None:
        """Turn to what follows the current exchange, of which nothing is left to do."""
        assert self._current is not None, "an exchange has ended"
        keep_alive = self._current.response.keep_alive
        self._current = None
        if not keep_alive:
            self._end()
        elif self._line or self._refusal is not None:
            self._turn()

    def _turn(self) -> None:
        """Begin with the next requests, as long as each is answered and taken at once."""
        if self._turning:
            return  # one of them was answered amid its beginning
        self._turning = True
        while self._line and self._current is None and not self._stuck:
            self._begin(self._line.popleft())
            self._regulate()
        self._turning = False
        if self._refusal is not None and self._current is None and not self._line:
            self._end()

    def _regulate(self) -> None:
        """Read only while there is room for what is read."""
        unread = 0 if self._incoming is None else self._incoming.buffered
        full = bool(self._line) or unread > _UNREAD_BYTES_MAX
        if full and not self._paused:
            self._transport.pause_reading()
        elif self._paused and not full:
            self._transport.resume_reading()
        self._paused = full

    # -- The end

    def shutdown(self) -> None:
        """End when the request under way is answered."""
        self._line.clear()
        if self._current is None or self._current.response.complete:
            self._end()
        else:
            self._current.response.keep_alive = False

    def close(self) -> None:
        """End when everything written was sent."""
        self._transport.close()

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()

    def forsake(self) -> None:
        """Close the copy of a process that was forked off."""
        forsake(self._transport)

    def untaken(self) -> tuple[Untaken, ...]:
        """Give what waits for the client, unless that is little."""
        if not self._stuck:
            return ()
        unsent = self._transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent = unsent
            self._since = self._lobby.now
        return (Untaken(self._since, unsent, self.abort),)

    def expire(self, before: float) -> None:
        """End if the client has owed us something since before that, by the loop's time."""
        if self._stuck:
            (untaken,) = self.untaken()
            if untaken.since < before:
                self._transport.abort()
        elif self._since < before and (self._current is None or self._current.waits_for_client):
            self._transport.close()

    def _refuse(self, error: BadRequestError) -> None:
        """Read no more, and say why when it is time to."""
        self._listening = False
        self._refusal = error_response(error.status, str(error))
        broken, self._incoming = self._incoming, None
        if self._current is None:
            self._end()
        elif broken is self._current:
            self._abandon(broken)
        elif broken is not None:
            self._line.pop()

    def _abandon(self, broken: Exchange) -> None:
        """Give up the current exchange, whose request cannot be received to its end."""
        if broken.response.complete:
            self._end()
        else:
            broken.lose_client()  # and when the application has ended: finished()

    def _end(self) -> None:
        """Take no more requests, say the last word, and hang up."""
        self._listening = False
        self._current = None
        self._line.clear()
        transport = self._transport
        if self._lingering is not None or transport.is_closing():
            return
        if self._refusal is not None:
            transport.write(self._refusal)
        elif self._incoming is None and not self._paused:
            transport.close()
            return
        # Gone, of which we are still to be told; or TLS, which cannot end one direction alone.
        with contextlib.suppress(OSError, NotImplementedError):
            transport.write_eof()
        if self._paused:
            transport.resume_reading()
        self._lingering = self._lobby.loop.call_later(_LINGER_S, transport.abort)
