"""What goes out to a service over HTTP/2: streams, and what exchanges say on them by turns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from typing_extensions import override

from perdure.transport.exchanges import PIECE_BYTES, Buffer, Exchange, LostError
from perdure.transport.http2_frames import (
    DATA,
    END_STREAM,
    PREFACE,
    STREAM_ID_MAX,
    WINDOW_DEFAULT,
    WINDOW_MAX,
    ErrorCode,
    FrameType,
    PeerError,
    Setting,
    frame,
    goaway_frame,
    header_frames,
    number_frame,
    settings_frame,
)
from perdure.transport.http2_headers import HEADER_LIST_BYTES_MAX, HeaderCodec
from perdure.transport.http2_limits import Http2Limits
from perdure.transport.http2_output import Output


def _greeting(limits: Http2Limits) -> bytes:
    settings = {
        Setting.ENABLE_PUSH: 0,
        Setting.INITIAL_WINDOW_SIZE: limits.stream_window,
        Setting.MAX_HEADER_LIST_SIZE: HEADER_LIST_BYTES_MAX,
    }
    wider = number_frame(FrameType.WINDOW_UPDATE, 0, limits.connection_window - WINDOW_DEFAULT)
    return PREFACE + settings_frame(settings) + wider


class Owner(Protocol):
    """Who runs a connection."""

    def wanted(self) -> None:
        """There is something to send."""

    def freed(self) -> None:
        """There may be room for another stream, or none any more."""

    def refused(self, exchange: Exchange, reason: str) -> None:
        """The peer did not even look at an exchange; it may be tried elsewhere."""


class Stream:
    """An exchange on this connection."""

    __slots__ = ("_sender", "ended", "exchange", "headed", "id", "unread", "window")

    def __init__(self, sender: Sender, stream_id: int, exchange: Exchange, window: int) -> None:
        self._sender = sender
        self.id = stream_id
        self.exchange = exchange
        #: What the peer takes on this stream for now.
        self.window = window
        #: What the peer sent since we last opened its window.
        self.unread = 0
        #: Whether our side is closed.
        self.ended = False
        #: Whether the head of the response has come.
        self.headed = False

    def wake(self) -> None:
        """Send what the exchange has to say, when the connection is ready to."""
        self._sender.want(self)

    def cancel(self) -> None:
        """Tell the peer that nobody listens any more."""
        self._sender.reset(self, ErrorCode.CANCEL)


class Sender(Output[Stream]):
    """Everything that goes out on one connection.

    Args:
        codec: compression of both directions.
        owner: is told what follows.
        limits: how much the connection carries.
    """

    def __init__(self, codec: HeaderCodec, owner: Owner, limits: Http2Limits) -> None:
        super().__init__(_greeting(limits), owner.wanted)
        self._codec = codec
        self._owner = owner
        self._streams: dict[int, Stream] = {}
        #: Gives an open stream.
        self.stream: Callable[[int], Stream | None] = self._streams.get
        self._next_id = 1
        self._initial_window = WINDOW_DEFAULT
        #: Streams that the peer takes at the same time.
        self._streams_max = limits.streams
        self._streams_ceiling = limits.streams
        self._last_id = min(2 * limits.requests - 1, STREAM_ID_MAX)
        #: Whether no more streams can be opened.
        self.leaving = False
        #: Frames with content that were sent so far.
        self.contents = 0

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    @property
    def has_room(self) -> bool:
        """Whether the connection takes another stream now."""
        return not self.leaving and len(self._streams) < self._streams_max

    def limit_streams(self, number: int) -> None:
        """Respect how many streams the peer takes at the same time."""
        self._streams_max = min(number, self._streams_ceiling)

    def was_opened(self, stream_id: int) -> bool:
        """Tell whether there ever was such a stream."""
        return stream_id % 2 == 1 and stream_id < self._next_id

    def open(self, exchange: Exchange) -> None:
        """Begin an exchange; there must be room for it."""
        stream = Stream(self, self._next_id, exchange, self._initial_window)
        self._next_id += 2
        if self._next_id > self._last_id:
            self.leaving = True
        self._streams[stream.id] = stream
        drained = not exchange.outgoing
        # Some servers stumble over the end of a request that they have answered already.
        stream.ended = drained and exchange.ended
        block = self._codec.encode(exchange.request)
        self.say(header_frames(stream.id, block, ended=stream.ended))
        exchange.carry(stream)
        if not drained:
            self.want(stream)

    def want(self, stream: Stream) -> None:
        """Note that a stream has something to send."""
        if stream.id not in self._streams or stream.ended:
            return
        if stream.window > 0 or not stream.exchange.outgoing:
            self._ready[stream.id] = stream
            self._wanted()

    def reset(self, stream: Stream, code: ErrorCode) -> None:
        """End a stream at once."""
        if stream.id in self._streams:
            self.say(number_frame(FrameType.RST_STREAM, stream.id, code))
            self.forget(stream)

    def break_off(self, stream: Stream, code: ErrorCode, reason: str) -> None:
        """End a stream on which the peer broke the rules."""
        self.reset(stream, code)
        stream.exchange.lose(LostError(f"the service broke the rules of HTTP/2: {reason}"))

    def forget(self, stream: Stream) -> None:
        """Take note that a stream has ended."""
        del self._streams[stream.id]
        self._ready.pop(stream.id, None)
        self._owner.freed()

    def refuse_after(self, last: int, reason: str) -> None:
        """Take note that the peer did not look at streams after this one, and takes no more."""
        self.leaving = True
        for stream in [each for each in self._streams.values() if each.id > last]:
            self.forget(stream)
            self._owner.refused(stream.exchange, reason)
        self._owner.freed()

    def abandon(self) -> list[Exchange]:
        """Take note that the connection is gone; give the exchanges that were on it."""
        self.leaving = True
        abandoned = [stream.exchange for stream in self._streams.values()]
        self._streams.clear()
        self._ready.clear()
        return abandoned

    def leave(self, code: ErrorCode) -> None:
        """Tell the peer that the connection ends."""
        self.leaving = True
        self.say(goaway_frame(code))

    def resize_windows(self, size: int) -> None:
        """Respect the window that the peer gives every stream from its beginning."""
        if size > WINDOW_MAX:
            raise PeerError(ErrorCode.FLOW_CONTROL_ERROR, "a window of more than 2^31-1 bytes")
        difference = size - self._initial_window
        self._initial_window = size
        for stream in list(self._streams.values()):
            self.widen(stream, difference)

    def widen(self, stream: Stream, difference: int) -> None:
        """Let a stream send more, or less."""
        stream.window += difference
        if stream.window > WINDOW_MAX:
            reason = "a window of more than 2^31-1 bytes"
            self.break_off(stream, ErrorCode.FLOW_CONTROL_ERROR, reason)
        elif not stream.exchange.drained:
            self.want(stream)

    @override
    def _frame_piece(self, stream: Stream) -> int | None:
        exchange = stream.exchange
        data: Buffer = b""
        outgoing = exchange.outgoing
        if outgoing:
            limit = min(self._window, stream.window, PIECE_BYTES)
            if limit <= 0:
                if stream.window <= 0:
                    del self._ready[stream.id]
                return None
            data = exchange.take(limit)
            self._window -= len(data)
            stream.window -= len(data)
            self.contents += 1
        drained = not outgoing
        stream.ended = drained and exchange.ended
        if data or stream.ended:
            flags = END_STREAM if stream.ended else 0
            self._output.append(frame(DATA, flags, stream.id, data))
        if drained:
            del self._ready[stream.id]
        return len(data)
