"""One request and its response on an HTTP/2 connection, as the exchange's wire.

A stream is over when both sides have said all, or when either has reset it. Its exchange may be at
work for a while longer.
"""

from __future__ import annotations

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Final, Protocol

from perdure.server.exchanges import EXCUSES, Exchange
from perdure.server.heads import error_body
from perdure.server.http2_requests import IncomingRequest, MalformedError
from perdure.server.http2_response import Http2Response
from perdure.server.http2_sender import STREAM_WINDOW, Outgoing, Sender
from perdure.server.http2_windows import ReceiveWindow
from perdure.server.untaken import Untaken
from perdure.transport.http2_frames import ErrorCode, FrameType, number_frame

#: What an application may have given that is not sent before it has to wait.
_UNSENT_BYTES_MAX: Final = 64 * 1024
#: What may wait to be sent without counting as kept for the client.
_LITTLE_BYTES: Final = 4096


class Clocks(Protocol):
    """The time, which may be a second behind."""

    @property
    def date(self) -> bytes:
        """The date, as headers have it."""

    @property
    def now(self) -> float:
        """The time, in seconds."""


class Surroundings(Protocol):
    """What a connection and its streams learn from their server, and tell it."""

    @property
    def clocks(self) -> Clocks:
        """What tells the time."""

    def keep(self, size: int) -> None:
        """Take note that so much more waits for the client."""


class Carrier(Surroundings, Protocol):
    """The connection that a stream belongs to."""

    sender: Sender

    def consumed(self, size: int) -> None:
        """Take note that so many bytes that had arrived were read, or are for nobody."""

    def over(self, stream: Stream) -> None:
        """Take note that a stream is over."""

    def finished(self, stream: Stream, *, answered: bool) -> None:
        """Take note that the application is done with a request."""


class Stream:
    """A stream that carries a request."""

    __slots__ = (
        "_carrier",
        "_clocks",
        "_finished",
        "_headed",
        "_remaining",
        "_response",
        "_since",
        "_unread",
        "_window",
        "_writable",
        "exchange",
        "id",
        "outgoing",
        "over",
    )

    def __init__(
        self, carrier: Carrier, stream_id: int, request: IncomingRequest, send_window: int
    ) -> None:
        self._carrier = carrier
        self._clocks = carrier.clocks
        self.id = stream_id
        self._response = Http2Response(request.head.method)
        self.exchange = Exchange(self, request.head, self._response)
        #: Made when a piece of the body comes that is not all of it: a frame fits in any case.
        self._window: ReceiveWindow | None = None
        #: Bytes of the body that are still to come; None if nobody knows.
        self._remaining = request.body_bytes
        #: What arrived and was not read yet, with padding, in bytes.
        self._unread = 0
        self._headed = False
        #: Whether the application is done.
        self._finished = False
        self.outgoing = Outgoing(stream_id, send_window)
        #: Set while there is room for more of the response; made when there is none.
        self._writable: asyncio.Event | None = None
        #: When the client last did what we wait for.
        self._since = self._clocks.now
        self.over = False

    # -- For the connection

    def take_body(self, content: bytes, size: int, *, ended: bool) -> None:
        """Take a piece of the body, and what it counts for the window.

        Raises:
            PeerError: the window had no room for it.
            MalformedError: the body is longer than declared, or it has ended and is shorter.
        """
        if self._window is None and not ended:
            self._window = ReceiveWindow(STREAM_WINDOW)
        if self._window is not None:
            self._window.take(size)
        self._unread += size
        self._since = self._clocks.now
        if self._remaining is not None:
            self._remaining -= len(content)
            if self._remaining < 0:
                raise MalformedError("the body is longer than declared")
        exchange = self.exchange  # which may be over behind this
        if content:
            exchange.take_body(content, last=ended)
        if ended:
            self.end_body()
        if self._unread and not exchange.buffered:
            self.consumed()  # by nobody: the response is complete

    def end_body(self) -> None:
        """Take note that the client has said all.

        Raises:
            MalformedError: the body is shorter than declared.
        """
        if self._remaining:
            raise MalformedError("the body is shorter than declared")
        self.exchange.end_body()

    def framed(self) -> None:
        """Take note that something of the response was sent; after the last of it, end."""
        outgoing = self.outgoing
        self._since = self._clocks.now
        if self._writable is not None and outgoing.unsent <= _UNSENT_BYTES_MAX:
            self._writable.set()
        if outgoing.ended and not outgoing.unsent:
            self._close()

    def reset(self, code: ErrorCode) -> None:
        """End at once."""
        self._carrier.sender.say(number_frame(FrameType.RST_STREAM, self.id, code))
        self.lose()

    def lose(self) -> None:
        """Take note that the client has ended it, or is gone."""
        self.over = True
        self._carrier.sender.forget(self.outgoing)
        self._carrier.over(self)
        self.consumed()
        if self._writable is not None:
            self._writable.set()
        if self._finished:
            self._part()
        else:
            self.exchange.lose_client()

    def untaken(self) -> Untaken:
        """Give what waits for the client."""
        return Untaken(self._since, self.outgoing.unsent, partial(self.reset, ErrorCode.CANCEL))

    def expire(self, before: float) -> None:
        """End if the client has owed us something since before that."""
        waits = self.outgoing.unsent or self.exchange.waits_for_client
        if waits and self._since < before:
            self.reset(ErrorCode.CANCEL)

    # -- For the exchange

    @property
    def date(self) -> bytes:
        """The date, as the header has it."""
        return self._clocks.date

    @property
    def writable(self) -> asyncio.Event:
        """Set while there is room for more of the response."""
        if self._writable is None:
            self._writable = asyncio.Event()
            self._writable.set()
        return self._writable

    def invite(self) -> None:
        """Tell the client to send the body."""
        self._carrier.sender.say_head(self.id, ((b":status", b"100"),))

    def write(self, content: bytes) -> None:
        """Send what the response gave out as windows allow."""
        outgoing = self.outgoing
        ended = self._response.complete
        if not self._headed:
            self._headed = True
            sender, fields = self._carrier.sender, self._response.fields
            if ended and not content:
                sender.say_head(self.id, fields, ended=True)
                self._close()
                return
            if ended and sender.say_whole(outgoing, fields, content):
                self._close()
                return
            sender.say_head(self.id, fields)
        if content:
            outgoing.add(content)
            if len(content) > _LITTLE_BYTES:
                self._carrier.keep(len(content))
            if outgoing.unsent > _UNSENT_BYTES_MAX:
                self.writable.clear()
        outgoing.ended = ended
        self._carrier.sender.want(outgoing)

    def consumed(self) -> None:
        """Give back the room of what was read."""
        size, self._unread = self._unread, 0
        if not size:
            return
        self._since = self._clocks.now
        self._carrier.consumed(size)
        if self._window is None or self.over or self.exchange.received:
            return
        room = self._window.give_back(size)
        if room:
            self._carrier.sender.say(number_frame(FrameType.WINDOW_UPDATE, self.id, room))

    def answered(self, _exchange: Exchange) -> None:
        """Read no more of the request."""
        if self._unread:
            self.consumed()

    def finished(self, _exchange: Exchange, status: HTTPStatus) -> None:
        """Say sorry unless the response is complete."""
        answered = self._response.complete
        self._finished = True
        self._carrier.finished(self, answered=answered)
        if self.over:
            self._part()
        elif self._response.opened and not answered:
            # So that nobody takes for the whole what is only a part.
            self.reset(ErrorCode.INTERNAL_ERROR)
        elif not answered:
            self._excuse(status)

    def _excuse(self, status: HTTPStatus) -> None:
        body = error_body(status, EXCUSES[status])
        fields = ((b":status", b"%d" % status), (b"content-type", b"application/json"))
        self._carrier.sender.say_head(self.id, fields)
        self.outgoing.add(body)
        self.outgoing.ended = True
        self._carrier.sender.want(self.outgoing)

    def _close(self) -> None:
        """End, now that the whole response was sent."""
        self.over = True
        if not self.exchange.received:
            # Nobody reads the rest of the request (RFC 9113, 8.1).
            say = self._carrier.sender.say
            say(number_frame(FrameType.RST_STREAM, self.id, ErrorCode.NO_ERROR))
        self._carrier.over(self)
        if self._unread:
            self.consumed()
        self._part()

    def _part(self) -> None:
        """Let go of the exchange once both are done: what goes in circles waits to be collected."""
        if self._finished:
            del self.exchange
