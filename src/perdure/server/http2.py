"""The server's half of one HTTP/2 connection, as a machine: bytes in, requests and bytes out.

The machine knows neither sockets nor applications.

Bounds against a client that means no good: the size of frames, header blocks and header lists, the
number of CONTINUATION frames, of streams and of requests at work, receive windows, what waits to be
sent in answer to frames, and a budget for frames that bring nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from perdure.server.exchanges import Exchange
from perdure.server.http1_requests import HEAD_BYTES_MAX
from perdure.server.http2_budget import RESET_COST, Budget
from perdure.server.http2_requests import (
    Field,
    HeadReader,
    MalformedError,
    check_trailers,
)
from perdure.server.http2_sender import CONNECTION_WINDOW, STREAMS_MAX, Sender
from perdure.server.http2_stream import Stream, Surroundings
from perdure.server.http2_windows import ReceiveWindow
from perdure.server.untaken import Untaken
from perdure.transport.http2_frames import (
    ACK,
    END_STREAM,
    FRAME_BYTES_DEFAULT,
    FRAME_BYTES_MAX,
    SETTINGS,
    WINDOW_DEFAULT,
    WINDOW_MAX,
    WINDOW_UPDATE,
    ErrorCode,
    FrameType,
    PeerError,
    Setting,
    frame,
    goaway_frame,
    number_frame,
    read_number,
    read_settings,
    unpadded,
)
from perdure.transport.http2_reader import FrameReader

#: What may wait for a client that asks and does not read, other than bodies, in bytes.
_BACKLOG_BYTES_MAX: Final = 1024 * 1024


class Owner(Surroundings, Protocol):
    """Who runs a connection."""

    def begin(self, exchange: Exchange) -> None:
        """Have a request answered."""

    def finished(self, exchange: Exchange) -> None:
        """Take note that an application is done with a request."""

    def wanted(self) -> None:
        """There is something to send, or nothing left to do."""


class Http2:
    """One connection, behind its preface.

    Args:
        owner: is told what follows.
        streams_max: requests at the same time.
    """

    def __init__(self, owner: Owner, streams_max: int = STREAMS_MAX) -> None:
        self._owner = owner
        self.clocks = owner.clocks
        self._heads = HeadReader()
        self._streams_max = streams_max
        self.sender = Sender(self, owner.wanted, streams_max)
        self._reader = FrameReader(HEAD_BYTES_MAX)
        self._window = ReceiveWindow(CONNECTION_WINDOW)
        self._send_window = WINDOW_DEFAULT
        self._budget = Budget(owner.clocks.now, streams_max)
        self._greeted = False
        #: The newest stream that the client opened, and the newest that we looked at.
        self._newest = 0
        self._taken = 0
        self._streams: dict[int, Stream] = {}
        #: Requests whose application is at work, or whose stream is not over.
        self._at_work: set[Stream] = set()
        #: Whether requests that come now are for nobody.
        self.leaving = False

    @property
    def idle(self) -> bool:
        """Whether no request is under way."""
        return not self._streams

    # -- For who runs it

    def receive(self, data: bytes) -> None:
        """Take what the client sent.

        Raises:
            PeerError: it broke the rules; the connection must end.
        """
        for type_, flags, stream_id, payload in self._reader.feed(data):
            take = _TAKE.get(type_)
            if not self._greeted and type_ != SETTINGS:
                raise PeerError(ErrorCode.PROTOCOL_ERROR, "the client does not begin with SETTINGS")
            if take is None:
                self._spend(1)  # extensions that we do not know are to be ignored (RFC 9113, 5.5)
                continue
            if type_ != WINDOW_UPDATE and (type_ in _ON_STREAMS) != bool(stream_id):
                reason = f"a frame of type {type_} on {stream_id}"
                raise PeerError(ErrorCode.PROTOCOL_ERROR, reason)
            if stream_id > self._newest and type_ not in _ON_IDLE_STREAMS:
                raise PeerError(ErrorCode.PROTOCOL_ERROR, f"stream {stream_id} was never opened")
            take(self, flags, stream_id, payload)
            if self.sender.backlog > _BACKLOG_BYTES_MAX:
                raise PeerError(ErrorCode.ENHANCE_YOUR_CALM, "the client asks, and does not listen")

    def leave(self) -> None:
        """Refuse the requests that come now; what is under way goes on.

        The client is told no more than that until the end, although it could be: clients after the
        fashion of Python's h2 take no more answers once they were told to go away.
        """
        self.leaving = True
        self._owner.wanted()

    def farewell(self, code: ErrorCode = ErrorCode.NO_ERROR) -> bytes:
        """Give what tells the client that the connection ends, and what was never looked at."""
        return goaway_frame(code, self._taken)

    def untaken(self) -> Iterator[Untaken]:
        """Give what waits for the client on each stream."""
        for stream in self._streams.values():
            if stream.outgoing.unsent:
                yield stream.untaken()

    def expire(self, before: float) -> None:
        """End the streams whose client has owed us something since before that."""
        for stream in list(self._streams.values()):
            stream.expire(before)

    def abandon(self) -> None:
        """Take note that the connection is gone."""
        self.leaving = True
        for stream in list(self._streams.values()):
            stream.lose()

    # -- For streams and the sender

    def keep(self, size: int) -> None:
        """Take note that so much more waits for the client."""
        self._owner.keep(size)

    def framed(self, stream_id: int, size: int) -> None:
        """Tell a stream that something of its body was sent."""
        if size:
            self._budget.earn()
        self._streams[stream_id].framed()

    def consumed(self, size: int) -> None:
        """Give back the room of what was read."""
        room = self._window.give_back(size)
        if room:
            self.sender.say(number_frame(FrameType.WINDOW_UPDATE, 0, room))

    def over(self, stream: Stream) -> None:
        """Forget a stream, unless its application is still at work."""
        del self._streams[stream.id]
        if self.leaving:
            self._owner.wanted()

    def finished(self, stream: Stream, *, answered: bool) -> None:
        """Take note that an application is done with a request."""
        self._at_work.discard(stream)
        if answered:
            self._budget.earn()
        self._owner.finished(stream.exchange)

    # -- Frames

    def on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        """Take a piece of a body."""
        # Padding counts for the windows, and frames of streams that are over for the connection's.
        size = len(payload)
        self._window.take(size)
        content = unpadded(flags, payload)
        ended = bool(flags & END_STREAM)
        if content or ended:
            self._budget.earn()
        else:
            self._spend(1)
        stream = self._streams.get(stream_id)
        if stream is None:
            self._spend(1)
            self.consumed(size)
        elif stream.exchange.received:
            self.consumed(size)
            self._break_off(stream, ErrorCode.STREAM_CLOSED)
        else:
            self._on_content(stream, content, size, ended=ended)

    def _on_content(self, stream: Stream, content: bytes, size: int, *, ended: bool) -> None:
        try:
            stream.take_body(content, size, ended=ended)
        except MalformedError:
            self._break_off(stream, ErrorCode.PROTOCOL_ERROR)
        except PeerError as error:
            self._break_off(stream, error.code)

    def on_headers(self, flags: int, stream_id: int, block: bytes) -> None:
        """Take a header block."""
        if not stream_id & 1:
            raise PeerError(ErrorCode.PROTOCOL_ERROR, "the client uses a stream of the server's")
        ended = bool(flags & END_STREAM)
        if stream_id > self._newest:
            self._newest = stream_id
            self._on_request(stream_id, block, ended=ended)
            return
        # Even what nobody wants any more changes the compression state.
        fields = self._heads.decode(block)
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._on_trailers(stream, fields, ended=ended)
            return
        # Trailers that were on their way when the stream ended. No trailer has these names.
        if any(name[:1] == b":" for name, _, _ in fields):
            raise PeerError(ErrorCode.PROTOCOL_ERROR, f"stream {stream_id} is used again")
        self._spend(1)

    def _on_request(self, stream_id: int, block: bytes, *, ended: bool) -> None:
        most = self._streams_max
        if self.leaving or len(self._streams) >= most or len(self._at_work) >= most:
            self._heads.decode(block)  # likewise
            self._refuse(stream_id, ErrorCode.REFUSED_STREAM)
            return
        self._taken = stream_id
        try:
            request = self._heads.read(block, ended=ended)
        except MalformedError:
            self._refuse(stream_id, ErrorCode.PROTOCOL_ERROR)
            return
        stream = Stream(self, stream_id, request, self._send_window)
        self._streams[stream_id] = stream
        self._at_work.add(stream)
        if ended:
            stream.end_body()
        self._owner.begin(stream.exchange)

    def _on_trailers(self, stream: Stream, fields: list[Field], *, ended: bool) -> None:
        if stream.exchange.received:
            self._break_off(stream, ErrorCode.STREAM_CLOSED)
            return
        try:
            check_trailers(fields, ended=ended)
            stream.end_body()
        except MalformedError:
            self._break_off(stream, ErrorCode.PROTOCOL_ERROR)

    def on_priority(self, _flags: int, _stream_id: int, payload: bytes) -> None:
        """Ignore what is deprecated (RFC 9113, 5.3.2)."""
        self._spend(1)
        if len(payload) != 5:
            raise PeerError(ErrorCode.FRAME_SIZE_ERROR, "a PRIORITY without its five bytes")

    def on_reset(self, _flags: int, stream_id: int, payload: bytes) -> None:
        """Take note that the client takes a request back."""
        read_number(payload)
        stream = self._streams.get(stream_id)
        self._spend(1 if stream is None else RESET_COST)
        if stream is not None:
            stream.lose()

    def on_settings(self, flags: int, _stream_id: int, payload: bytes) -> None:
        """Take what the client says about itself."""
        self._spend(1)
        if flags & ACK:
            if payload:
                raise PeerError(ErrorCode.FRAME_SIZE_ERROR, "an acknowledgement with content")
            return
        settings = read_settings(payload)
        self._spend(len(settings))  # each may change the windows of all streams
        for setting, value in settings:
            self._change(setting, value)
        self._greeted = True
        self.sender.say(frame(FrameType.SETTINGS, ACK, 0))

    def _change(self, setting: int, value: int) -> None:
        match setting:
            case Setting.HEADER_TABLE_SIZE:
                self.sender.limit_table(value)
            case Setting.ENABLE_PUSH if value > 1:
                raise PeerError(ErrorCode.PROTOCOL_ERROR, f"ENABLE_PUSH is {value}")
            case Setting.INITIAL_WINDOW_SIZE:
                self._resize_windows(value)
            case Setting.MAX_FRAME_SIZE if not FRAME_BYTES_DEFAULT <= value <= FRAME_BYTES_MAX:
                # Within the bounds it says nothing: larger frames only make others wait.
                raise PeerError(ErrorCode.PROTOCOL_ERROR, f"frames of up to {value} bytes")

    def _resize_windows(self, size: int) -> None:
        """Respect the window that the client gives every stream from its beginning."""
        if size > WINDOW_MAX:
            raise PeerError(ErrorCode.FLOW_CONTROL_ERROR, "a window of more than 2^31-1 bytes")
        difference = size - self._send_window
        self._send_window = size
        for stream in list(self._streams.values()):
            if not self.sender.widen(stream.outgoing, difference):
                self._break_off(stream, ErrorCode.FLOW_CONTROL_ERROR)

    def on_ping(self, flags: int, _stream_id: int, payload: bytes) -> None:
        """Give a sign of life."""
        self._spend(1)
        if len(payload) != 8:
            raise PeerError(ErrorCode.FRAME_SIZE_ERROR, "a PING without its eight bytes")
        if not flags & ACK:
            self.sender.say(frame(FrameType.PING, ACK, 0, payload))

    def on_goaway(self, _flags: int, _stream_id: int, _payload: bytes) -> None:
        """Take note that the client sends no more requests; it ends the connection itself."""
        self._spend(1)

    def on_window(self, _flags: int, stream_id: int, payload: bytes) -> None:
        """Take note that the client takes more."""
        self._spend(1)
        increment = read_number(payload) & WINDOW_MAX
        if stream_id == 0:
            if not increment:
                raise PeerError(ErrorCode.PROTOCOL_ERROR, "a window that grows by nothing")
            self.sender.widen_all(increment)
            return
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        if not increment:
            self._break_off(stream, ErrorCode.PROTOCOL_ERROR)
        elif not self.sender.widen(stream.outgoing, increment):
            self._break_off(stream, ErrorCode.FLOW_CONTROL_ERROR)

    def on_push(self, _flags: int, _stream_id: int, _payload: bytes) -> None:
        """Refuse what only servers may do."""
        raise PeerError(ErrorCode.PROTOCOL_ERROR, "clients push nothing")

    def _refuse(self, stream_id: int, code: ErrorCode) -> None:
        """End a stream that carries no request."""
        self._spend(RESET_COST)
        self.sender.say(number_frame(FrameType.RST_STREAM, stream_id, code))

    def _break_off(self, stream: Stream, code: ErrorCode) -> None:
        """End a stream on which the client broke the rules."""
        self._spend(RESET_COST)
        stream.reset(code)

    def _spend(self, cost: int) -> None:
        if not self._budget.spend(cost, self.clocks.now):
            raise PeerError(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that bring nothing")


_TAKE: Final[Mapping[int, Callable[[Http2, int, int, bytes], None]]] = {
    FrameType.DATA: Http2.on_data,
    FrameType.HEADERS: Http2.on_headers,
    FrameType.PRIORITY: Http2.on_priority,
    FrameType.RST_STREAM: Http2.on_reset,
    FrameType.SETTINGS: Http2.on_settings,
    FrameType.PUSH_PROMISE: Http2.on_push,
    FrameType.PING: Http2.on_ping,
    FrameType.GOAWAY: Http2.on_goaway,
    FrameType.WINDOW_UPDATE: Http2.on_window,
}
#: Frames that may name a stream that was not opened yet.
_ON_IDLE_STREAMS: Final = frozenset({FrameType.HEADERS, FrameType.PRIORITY, FrameType.PUSH_PROMISE})
#: Frames that belong to a stream; all others but WINDOW_UPDATE belong to none.
_ON_STREAMS: Final = _ON_IDLE_STREAMS | {FrameType.DATA, FrameType.RST_STREAM}
