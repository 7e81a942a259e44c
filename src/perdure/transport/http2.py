"""The client's half of one HTTP/2 connection, as a machine: bytes in, calls and bytes out.

Exchanges become streams. What arrives is told to them at once; what they say is framed when the
connection is ready to send (:meth:`Http2.output`), a fair share each, as far as the windows of
stream and connection go. The machine knows neither sockets nor time.

Bounds against a peer that means no good: the size of frames, header blocks and header lists, the
number of CONTINUATION frames, our receive windows, and a budget of frames that bring nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from perdure.transport.exchanges import PIECE_BYTES, Exchange, LostError
from perdure.transport.http2_frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES_DEFAULT,
    FRAME_BYTES_MAX,
    HEAD_BYTES,
    PREFACE,
    PRIORITY,
    STREAM_ID_MAX,
    WINDOW_DEFAULT,
    WINDOW_MAX,
    ErrorCode,
    FrameType,
    PeerError,
    Setting,
    error_name,
    frame,
    goaway_frame,
    number_frame,
    read_goaway,
    read_head,
    read_number,
    read_settings,
    settings_frame,
    unpadded,
)
from perdure.transport.http2_headers import (
    HEADER_LIST_BYTES_MAX,
    HeaderBlock,
    HeaderCodec,
    MalformedHeadError,
    ResponseHead,
)

#: What a peer may send on one stream, and on all together, before we take note.
STREAM_WINDOW: Final = 2 * 1024 * 1024
CONNECTION_WINDOW: Final = 5 * 1024 * 1024
#: Streams at the same time, if the peer allows as many.
STREAMS_MAX: Final = 128
#: Frames without content that a peer may send on top of those that follow from ours.
IDLE_FRAMES_MAX: Final = 1000
#: Such frames that each frame with content, theirs or ours, makes up for.
IDLE_FRAMES_EARNED: Final = 10
#: Bytes framed in one go, so that the connection stays fair among streams.
OUTPUT_BYTES: Final = 256 * 1024


class Owner(Protocol):
    """Who runs a connection."""

    def wanted(self) -> None:
        """There is output after there was none."""

    def freed(self) -> None:
        """A stream has ended, so that there may be room for another."""

    def refused(self, exchange: Exchange, reason: str) -> None:
        """The peer did not even look at an exchange; it may be tried elsewhere."""


class Stream:
    """An exchange on this connection."""

    __slots__ = ("_machine", "ended", "exchange", "headed", "id", "unread", "window")

    def __init__(self, machine: Http2, stream_id: int, exchange: Exchange, window: int) -> None:
        self._machine = machine
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
        self._machine.want(self)

    def cancel(self) -> None:
        """Tell the peer that nobody listens any more."""
        self._machine.reset(self, ErrorCode.CANCEL)


class Http2:
    """One connection.

    Args:
        scheme: ``http`` or ``https``.
        authority: host and port, as requests name them.
        owner: is told what follows.
    """

    def __init__(self, scheme: str, authority: str, owner: Owner) -> None:
        self._scheme = scheme
        self._authority = authority
        self._owner = owner
        self._codec = HeaderCodec()
        self._streams: dict[int, Stream] = {}
        #: Streams that have something to send and are not held up by their own window.
        self._ready: dict[int, Stream] = {}
        self._next_id = 1
        self._input = b""
        self._output: list[bytes] = [
            PREFACE,
            settings_frame(
                {
                    Setting.ENABLE_PUSH: 0,
                    Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                    Setting.MAX_HEADER_LIST_SIZE: HEADER_LIST_BYTES_MAX,
                }
            ),
            number_frame(FrameType.WINDOW_UPDATE, 0, CONNECTION_WINDOW - WINDOW_DEFAULT),
        ]
        self._window = WINDOW_DEFAULT
        self._unread = 0
        self._initial_window = WINDOW_DEFAULT
        self._streams_max = STREAMS_MAX
        self._budget = IDLE_FRAMES_MAX
        self._blocks = HeaderBlock()
        #: Whether the peer has said what it takes.
        self.greeted = False
        #: Whether the peer takes no more streams.
        self.leaving = False

    @property
    def streams(self) -> int:
        """How many streams are open."""
        return len(self._streams)

    @property
    def room(self) -> int:
        """How many more streams the connection takes now."""
        if self.leaving or self._next_id > STREAM_ID_MAX:
            return 0
        return max(0, self._streams_max - len(self._streams))

    def open(self, exchange: Exchange) -> None:
        """Begin an exchange; there must be room for it."""
        assert self.room, "whoever opens a stream has asked whether there is room"
        stream = Stream(self, self._next_id, exchange, self._initial_window)
        self._next_id += 2
        self._streams[stream.id] = stream
        block = self._codec.encode(self._scheme, self._authority, exchange.request)
        size = FRAME_BYTES_DEFAULT
        pieces = [block[start : start + size] for start in range(0, len(block), size)]
        for number, piece in enumerate(pieces, 1):
            type_ = FrameType.HEADERS if number == 1 else FrameType.CONTINUATION
            self._say(frame(type_, END_HEADERS if number == len(pieces) else 0, stream.id, piece))
        exchange.carry(stream)
        if exchange.ended or not exchange.drained:
            self.want(stream)

    def want(self, stream: Stream) -> None:
        """Note that a stream has something to send."""
        if stream.id not in self._streams or stream.ended:
            return
        if stream.window > 0 or stream.exchange.drained:
            self._ready[stream.id] = stream
            self._owner.wanted()

    def reset(self, stream: Stream, code: ErrorCode) -> None:
        """End a stream at once."""
        if stream.id in self._streams:
            self._say(number_frame(FrameType.RST_STREAM, stream.id, code))
            self._forget(stream)

    def ping(self, content: bytes) -> None:
        """Ask for a sign of life: eight bytes that come back."""
        self._say(frame(FrameType.PING, 0, 0, content))

    def leave(self, code: ErrorCode) -> None:
        """Tell the peer that the connection ends."""
        self.leaving = True
        self._say(goaway_frame(code))

    def lose(self) -> list[Exchange]:
        """Take note that the connection is gone; give the exchanges that were on it."""
        self.leaving = True
        abandoned = [stream.exchange for stream in self._streams.values()]
        self._streams.clear()
        self._ready.clear()
        return abandoned

    def output(self) -> bytes:
        """Give the next bytes to send, if there are any; more may follow."""
        size = sum(map(len, self._output))
        progress = True
        while self._ready and progress and size < OUTPUT_BYTES:
            progress = False
            for stream in list(self._ready.values()):
                if (sent := self._send_piece(stream)) is not None:
                    size += sent
                    progress = True
        output, self._output = b"".join(self._output), []
        return output

    def receive(self, data: bytes) -> None:
        """Take what the peer sent.

        Raises:
            PeerError: the peer broke the rules; the connection must end.
        """
        if self._input:
            data = self._input + data
        offset, size = 0, len(data)
        while size - offset >= HEAD_BYTES:
            length, type_, flags, stream_id = read_head(data, offset)
            if length > FRAME_BYTES_DEFAULT:
                raise PeerError(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            start = offset + HEAD_BYTES
            if size - start < length:
                break
            offset = start + length
            self._take(type_, flags, stream_id, data[start:offset])
        self._input = data[offset:]

    # -----------------------------------------------------------------------------------------
    # Frames that arrive

    def _take(self, type_: int, flags: int, stream_id: int, payload: bytes) -> None:
        if self._blocks.open and type_ != FrameType.CONTINUATION:
            raise PeerError(ErrorCode.PROTOCOL_ERROR, "a header block is interrupted")
        if not self.greeted and type_ != FrameType.SETTINGS:
            raise PeerError(ErrorCode.PROTOCOL_ERROR, "the peer does not begin with SETTINGS")
        take = _TAKE.get(type_)
        if take is None:
            self._spend()  # extensions that we do not know are to be ignored (RFC 9113, 5.5)
            return
        on_stream = type_ in _ON_STREAMS
        if type_ != FrameType.WINDOW_UPDATE and on_stream != bool(stream_id):
            raise PeerError(ErrorCode.PROTOCOL_ERROR, f"a frame of type {type_} on {stream_id}")
        if stream_id >= self._next_id or (stream_id and not stream_id % 2):
            raise PeerError(ErrorCode.PROTOCOL_ERROR, f"stream {stream_id} was never opened")
        take(self, flags, stream_id, payload)

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        # Padding counts for the windows, and the connection's counts frames of closed streams too.
        size = len(payload)
        self._unread += size
        if self._unread > CONNECTION_WINDOW:
            raise PeerError(ErrorCode.FLOW_CONTROL_ERROR, "more data than the window allows")
        if self._unread >= CONNECTION_WINDOW // 2:
            self._say(number_frame(FrameType.WINDOW_UPDATE, 0, self._unread))
            self._unread = 0
        content = unpadded(flags, payload)
        if content or flags & END_STREAM:
            self._earn()
        else:
            self._spend()
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        if not stream.headed:
            self._break(stream, ErrorCode.PROTOCOL_ERROR, "the body came before its head")
            return
        stream.unread += size
        if stream.unread > STREAM_WINDOW:
            self._break(stream, ErrorCode.FLOW_CONTROL_ERROR, "more data than the window allows")
            return
        if content:
            stream.exchange.hear_data(content)
        if flags & END_STREAM:
            self._on_end(stream)
        elif stream.unread >= STREAM_WINDOW // 2 and stream_id in self._streams:
            self._say(number_frame(FrameType.WINDOW_UPDATE, stream_id, stream.unread))
            stream.unread = 0

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        fragment = unpadded(flags, payload)
        if flags & PRIORITY:
            fragment = fragment[5:]
        self._blocks.begin(stream_id, flags, fragment)
        if flags & END_HEADERS:
            self._on_block()

    def _on_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        self._blocks.go_on(stream_id, payload)
        if flags & END_HEADERS:
            self._on_block()

    def _on_block(self) -> None:
        stream_id, flags, block = self._blocks.finish()
        stream = self._streams.get(stream_id)
        try:
            # Even what nobody wants any more changes the compression state.
            head = self._codec.decode(block)
            if stream is not None:
                self._on_head(stream, head, ended=bool(flags & END_STREAM))
        except MalformedHeadError as error:
            self._spend()
            if stream is not None:
                self._break(stream, ErrorCode.PROTOCOL_ERROR, str(error))

    def _on_head(self, stream: Stream, head: ResponseHead, *, ended: bool) -> None:
        if stream.headed:
            if head.status is not None or not ended:
                raise MalformedHeadError("the response has a second head")
        elif head.status is None:
            raise MalformedHeadError("the response has no status")
        elif head.status < 200:
            self._spend()
            if ended:
                raise MalformedHeadError("the response ends before it begins")
            return
        else:
            self._earn()
            stream.headed = True
            stream.exchange.hear_head(head.status, head.headers)
        if ended:
            self._on_end(stream)

    def _on_end(self, stream: Stream) -> None:
        """Take note that the peer has said all; what we still had to say does not matter."""
        if stream.id not in self._streams:
            return  # the listener gave up on the last piece
        if not stream.ended:
            exchange = stream.exchange
            if exchange.ended and exchange.drained:
                self._say(frame(FrameType.DATA, END_STREAM, stream.id))
            else:
                self._say(number_frame(FrameType.RST_STREAM, stream.id, ErrorCode.NO_ERROR))
        self._forget(stream)
        stream.exchange.hear_end()

    def _on_reset(self, _flags: int, stream_id: int, payload: bytes) -> None:
        code = read_number(payload)
        self._spend()
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        self._forget(stream)
        reason = f"the service reset the stream ({error_name(code)})"
        if code == ErrorCode.REFUSED_STREAM:
            self._owner.refused(stream.exchange, reason)
        else:
            stream.exchange.lose(LostError(reason))

    def _on_settings(self, flags: int, _stream_id: int, payload: bytes) -> None:
        self._spend()
        if flags & ACK:
            if payload:
                raise PeerError(ErrorCode.FRAME_SIZE_ERROR, "an acknowledgement with content")
            return
        for setting, value in read_settings(payload):
            change = _CHANGE.get(setting)
            if change is not None:
                change(self, value)
        self._say(frame(FrameType.SETTINGS, ACK, 0))
        self.greeted = True
        self._owner.freed()

    def _set_push(self, value: int) -> None:
        if value:
            raise PeerError(ErrorCode.PROTOCOL_ERROR, "only clients may set ENABLE_PUSH")

    def _set_streams(self, value: int) -> None:
        self._streams_max = min(value, STREAMS_MAX)

    def _set_window(self, value: int) -> None:
        if value > WINDOW_MAX:
            raise PeerError(ErrorCode.FLOW_CONTROL_ERROR, "a window of more than 2^31-1 bytes")
        difference = value - self._initial_window
        self._initial_window = value
        for stream in list(self._streams.values()):
            self._widen(stream, difference)

    def _set_frame_bytes(self, value: int) -> None:
        if not FRAME_BYTES_DEFAULT <= value <= FRAME_BYTES_MAX:
            raise PeerError(ErrorCode.PROTOCOL_ERROR, f"frames of up to {value} bytes")
        # Larger frames than the smallest that everybody takes would only make others wait.

    def _on_ping(self, flags: int, _stream_id: int, payload: bytes) -> None:
        self._spend()
        if len(payload) != 8:
            raise PeerError(ErrorCode.FRAME_SIZE_ERROR, "a PING without its eight bytes")
        if not flags & ACK:
            self._say(frame(FrameType.PING, ACK, 0, payload))

    def _on_goaway(self, _flags: int, _stream_id: int, payload: bytes) -> None:
        last, code = read_goaway(payload)
        self._spend()
        self.leaving = True
        reason = f"the service closes the connection ({error_name(code)})"
        for stream in [each for each in self._streams.values() if each.id > last]:
            self._forget(stream)
            self._owner.refused(stream.exchange, reason)
        self._owner.freed()

    def _on_window(self, _flags: int, stream_id: int, payload: bytes) -> None:
        increment = read_number(payload) & WINDOW_MAX
        self._spend()
        if stream_id:
            stream = self._streams.get(stream_id)
            if stream is not None and increment:
                self._widen(stream, increment)
            elif stream is not None:
                self._break(stream, ErrorCode.PROTOCOL_ERROR, "a window that grows by nothing")
            return
        if not increment:
            raise PeerError(ErrorCode.PROTOCOL_ERROR, "a window that grows by nothing")
        self._window += increment
        if self._window > WINDOW_MAX:
            raise PeerError(ErrorCode.FLOW_CONTROL_ERROR, "a window of more than 2^31-1 bytes")
        if self._ready:
            self._owner.wanted()

    def _on_priority(self, _flags: int, _stream_id: int, _payload: bytes) -> None:
        self._spend()

    def _on_push(self, _flags: int, _stream_id: int, _payload: bytes) -> None:
        raise PeerError(ErrorCode.PROTOCOL_ERROR, "a push, which we do not take")

    # -----------------------------------------------------------------------------------------
    # What follows

    def _say(self, data: bytes) -> None:
        self._output.append(data)
        self._owner.wanted()

    def _send_piece(self, stream: Stream) -> int | None:
        """Frame the next piece of what a stream has to say; None if it has to wait."""
        exchange = stream.exchange
        data = b""
        if not exchange.drained:
            limit = min(self._window, stream.window, PIECE_BYTES)
            if limit <= 0:
                if stream.window <= 0:
                    del self._ready[stream.id]
                return None
            data = exchange.take(limit)
            self._window -= len(data)
            stream.window -= len(data)
            self._earn()
        ending = exchange.drained and exchange.ended
        if data or ending:
            flags = END_STREAM if ending else 0
            self._output.append(frame(FrameType.DATA, flags, stream.id, data))
        stream.ended = ending
        if exchange.drained:
            del self._ready[stream.id]
        return len(data)

    def _widen(self, stream: Stream, difference: int) -> None:
        stream.window += difference
        if stream.window > WINDOW_MAX:
            self._break(stream, ErrorCode.FLOW_CONTROL_ERROR, "a window of more than 2^31-1 bytes")
        elif not stream.exchange.drained:
            self.want(stream)

    def _break(self, stream: Stream, code: ErrorCode, reason: str) -> None:
        """End a stream on which the peer broke the rules."""
        self.reset(stream, code)
        stream.exchange.lose(LostError(f"the service broke the rules of HTTP/2: {reason}"))

    def _forget(self, stream: Stream) -> None:
        del self._streams[stream.id]
        self._ready.pop(stream.id, None)
        self._owner.freed()

    def _spend(self) -> None:
        self._budget -= 1
        if self._budget < 0:
            raise PeerError(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that bring nothing")

    def _earn(self) -> None:
        self._budget = min(IDLE_FRAMES_MAX, self._budget + IDLE_FRAMES_EARNED)


_TAKE: Final[Mapping[int, Callable[[Http2, int, int, bytes], None]]] = {
    FrameType.DATA: Http2._on_data,
    FrameType.HEADERS: Http2._on_headers,
    FrameType.PRIORITY: Http2._on_priority,
    FrameType.RST_STREAM: Http2._on_reset,
    FrameType.SETTINGS: Http2._on_settings,
    FrameType.PUSH_PROMISE: Http2._on_push,
    FrameType.PING: Http2._on_ping,
    FrameType.GOAWAY: Http2._on_goaway,
    FrameType.WINDOW_UPDATE: Http2._on_window,
    FrameType.CONTINUATION: Http2._on_continuation,
}
#: Frames that belong to a stream; all others but WINDOW_UPDATE belong to none.
_ON_STREAMS: Final = frozenset(
    {
        FrameType.DATA,
        FrameType.HEADERS,
        FrameType.PRIORITY,
        FrameType.RST_STREAM,
        FrameType.PUSH_PROMISE,
        FrameType.CONTINUATION,
    }
)
_CHANGE: Final[Mapping[int, Callable[[Http2, int], None]]] = {
    Setting.HEADER_TABLE_SIZE: lambda machine, value: machine._codec.limit_table(value),
    Setting.ENABLE_PUSH: Http2._set_push,
    Setting.MAX_CONCURRENT_STREAMS: Http2._set_streams,
    Setting.INITIAL_WINDOW_SIZE: Http2._set_window,
    Setting.MAX_FRAME_SIZE: Http2._set_frame_bytes,
}
