"""The client's half of one HTTP/2 connection, as a machine: bytes in, calls and bytes out.

What arrives is told to the exchanges at once; what goes out is the sender's business. The machine
knows neither sockets nor time.

Bounds against a peer that means no good: the size of frames, header blocks and header lists, the
number of CONTINUATION frames, our receive windows, what waits to be sent in answer to frames, and a
budget of frames that bring nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from perdure.transport.exchanges import LostError
from perdure.transport.http2_frames import (
    ACK,
    END_STREAM,
    FRAME_BYTES_DEFAULT,
    FRAME_BYTES_MAX,
    PADDED,
    SETTINGS,
    WINDOW_MAX,
    ErrorCode,
    FrameType,
    PeerError,
    Setting,
    error_name,
    frame,
    number_frame,
    read_goaway,
    read_number,
    read_settings,
    unpadded,
)
from perdure.transport.http2_headers import (
    HeaderCodec,
    MalformedHeadError,
    ResponseHead,
)
from perdure.transport.http2_limits import Http2Limits
from perdure.transport.http2_reader import FrameReader
from perdure.transport.http2_sender import (
    Owner,
    Sender,
    Stream,
)

#: Frames without content that a peer may send on top of those that follow from ours.
IDLE_FRAMES_MAX: Final = 1000
#: Such frames that each frame with content, theirs or ours, makes up for.
IDLE_FRAMES_EARNED: Final = 10
#: What may wait for a peer that does not read, other than bodies, in bytes: room for the heads of
#: all streams, and then some.
BACKLOG_BYTES_MAX: Final = 8 * 1024 * 1024

_LIMITS: Final = Http2Limits()
_STILL_THERE: Final = b"parting\x00"


class Http2:
    """One connection.

    Args:
        scheme: ``http`` or ``https``.
        authority: host and port, as requests name them.
        owner: is told what follows.
        limits: how much the connection carries.
    """

    def __init__(
        self, scheme: str, authority: str, owner: Owner, limits: Http2Limits = _LIMITS
    ) -> None:
        self._owner = owner
        self._limits = limits
        self._codec = HeaderCodec(scheme, authority)
        self.sender = Sender(self._codec, owner, limits)
        self._reader = FrameReader()
        self._unread = 0
        self._budget = IDLE_FRAMES_MAX
        #: Frames with content that the peer sent, and how many of theirs and ours are counted.
        self._contents = 0
        self._contents_counted = 0
        #: Whether the peer has said what it takes.
        self.greeted = False
        #: Whether it has said goodbye, and nothing is wrong.
        self.parting = False

    def ping(self, content: bytes) -> None:
        """Ask for a sign of life: eight bytes that come back."""
        self.sender.say(frame(FrameType.PING, 0, 0, content))

    def receive(self, data: bytes) -> None:
        """Take what the peer sent.

        Raises:
            PeerError: the peer broke the rules; the connection must end.
        """
        for type_, flags, stream_id, payload in self._reader.feed(data):
            self._take(type_, flags, stream_id, payload)
            if self.sender.backlog > BACKLOG_BYTES_MAX:
                raise PeerError(ErrorCode.ENHANCE_YOUR_CALM, "the peer asks, and does not listen")

    def _take(self, type_: int, flags: int, stream_id: int, payload: bytes) -> None:
        if not self.greeted and type_ != SETTINGS:
            raise PeerError(ErrorCode.PROTOCOL_ERROR, "the peer does not begin with SETTINGS")
        known = _TAKE.get(type_)
        if known is None:
            self._spend()  # extensions that we do not know are to be ignored (RFC 9113, 5.5)
            return
        take, on_stream = known
        if on_stream is not None and on_stream != (stream_id != 0):
            raise PeerError(ErrorCode.PROTOCOL_ERROR, f"a frame of type {type_} on {stream_id}")
        sender = self.sender
        if stream_id and sender.stream(stream_id) is None and not sender.was_opened(stream_id):
            raise PeerError(ErrorCode.PROTOCOL_ERROR, f"stream {stream_id} was never opened")
        take(self, flags, stream_id, payload)

    def on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        """Take a piece of a body."""
        # Padding counts for the windows, and frames of closed streams for the connection's.
        size = len(payload)
        self._unread += size
        window = self._limits.connection_window
        if self._unread > window:
            raise PeerError(ErrorCode.FLOW_CONTROL_ERROR, "more data than the window allows")
        if self._unread >= window // 2:
            self.sender.say(number_frame(FrameType.WINDOW_UPDATE, 0, self._unread))
            self._unread = 0
        content = unpadded(flags, payload) if flags & PADDED else payload
        if content or flags & END_STREAM:
            self._contents += 1
        else:
            self._spend()
        stream = self.sender.stream(stream_id)
        if stream is not None:
            self._on_content(stream, content, size, ended=bool(flags & END_STREAM))

    def _on_content(self, stream: Stream, content: bytes, size: int, *, ended: bool) -> None:
        if not stream.headed:
            self.sender.break_off(stream, ErrorCode.PROTOCOL_ERROR, "a body before its head")
            return
        stream.unread += size
        if stream.unread > self._limits.stream_window:
            reason = "more data than the window allows"
            self.sender.break_off(stream, ErrorCode.FLOW_CONTROL_ERROR, reason)
            return
        stream.exchange.ending = ended
        if content:
            stream.exchange.hear_data(content)
        if ended:
            self._on_end(stream)
        elif self.sender.stream(stream.id) is None:
            return  # the listener gave up on this piece
        elif stream.unread >= self._limits.stream_window // 2:
            self.sender.say(number_frame(FrameType.WINDOW_UPDATE, stream.id, stream.unread))
            stream.unread = 0

    def on_headers(self, flags: int, stream_id: int, block: bytes) -> None:
        """Take a header block."""
        stream = self.sender.stream(stream_id)
        try:
            # Even what nobody wants any more changes the compression state.
            head = self._codec.decode(block)
            if stream is None:
                self._spend()
            else:
                self._on_head(stream, head, ended=bool(flags & END_STREAM))
        except MalformedHeadError as error:
            self._spend()
            if stream is not None:
                self.sender.break_off(stream, ErrorCode.PROTOCOL_ERROR, str(error))

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
            self._contents += 1
            stream.headed = True
            stream.exchange.hear_head(head.status, head.headers)
        if ended:
            self._on_end(stream)

    def _on_end(self, stream: Stream) -> None:
        """Take note that the peer has said all; what we still had to say does not matter."""
        if self.sender.stream(stream.id) is None:
            return  # the listener gave up on what came before
        exchange = stream.exchange
        if stream.ended:
            self.sender.forget(stream)
        elif exchange.ended and exchange.drained:
            self.sender.say(frame(FrameType.DATA, END_STREAM, stream.id))
            self.sender.forget(stream)
        else:
            self.sender.reset(stream, ErrorCode.NO_ERROR)
        exchange.hear_end()

    def on_reset(self, _flags: int, stream_id: int, payload: bytes) -> None:
        """Take note that the peer ends a stream."""
        code = read_number(payload)
        self._spend()
        stream = self.sender.stream(stream_id)
        if stream is None:
            return
        self.sender.forget(stream)
        reason = f"the service reset the stream ({error_name(code)})"
        if code == ErrorCode.REFUSED_STREAM:
            self._owner.refused(stream.exchange, reason)
        else:
            stream.exchange.lose(LostError(reason))

    def on_settings(self, flags: int, _stream_id: int, payload: bytes) -> None:
        """Take what the peer says about itself."""
        self._spend()
        if flags & ACK:
            if payload:
                raise PeerError(ErrorCode.FRAME_SIZE_ERROR, "an acknowledgement with content")
            return
        for setting, value in read_settings(payload):
            self._change(setting, value)
        self.sender.say(frame(FrameType.SETTINGS, ACK, 0))
        self.greeted = True
        self._owner.freed()

    def _change(self, setting: int, value: int) -> None:
        match setting:
            case Setting.HEADER_TABLE_SIZE:
                self._codec.limit_table(value)
            case Setting.ENABLE_PUSH if value:
                raise PeerError(ErrorCode.PROTOCOL_ERROR, "only clients may set ENABLE_PUSH")
            case Setting.MAX_CONCURRENT_STREAMS:
                self.sender.limit_streams(value)
            case Setting.INITIAL_WINDOW_SIZE:
                self.sender.resize_windows(value)
            case Setting.MAX_FRAME_SIZE if not FRAME_BYTES_DEFAULT <= value <= FRAME_BYTES_MAX:
                # Within the bounds it says nothing: larger frames only make others wait.
                raise PeerError(ErrorCode.PROTOCOL_ERROR, f"frames of up to {value} bytes")

    def on_ping(self, flags: int, _stream_id: int, payload: bytes) -> None:
        """Give a sign of life."""
        self._spend()
        if len(payload) != 8:
            raise PeerError(ErrorCode.FRAME_SIZE_ERROR, "a PING without its eight bytes")
        if not flags & ACK:
            self.sender.say(frame(FrameType.PING, ACK, 0, payload))

    def on_goaway(self, _flags: int, _stream_id: int, payload: bytes) -> None:
        """Take note that the peer takes no more streams, and which ones it never looked at."""
        last, code = read_goaway(payload)
        self._spend()
        reason = f"the service closes the connection ({error_name(code)})"
        self.parting = code == ErrorCode.NO_ERROR
        self.sender.refuse_after(last, reason)
        if self.sender.streams:
            # Some servers take nothing from then on, and leave what they had begun. They close the
            # connection at the next word; without one it would wait for answers in vain.
            self.ping(_STILL_THERE)

    def on_window(self, _flags: int, stream_id: int, payload: bytes) -> None:
        """Take note that the peer takes more."""
        increment = read_number(payload) & WINDOW_MAX
        self._spend()
        stream = self.sender.stream(stream_id)
        if stream_id == 0:
            if not increment:
                raise PeerError(ErrorCode.PROTOCOL_ERROR, "a window that grows by nothing")
            self.sender.widen_all(increment)
        elif stream is not None and increment:
            self.sender.widen(stream, increment)
        elif stream is not None:
            reason = "a window that grows by nothing"
            self.sender.break_off(stream, ErrorCode.PROTOCOL_ERROR, reason)

    def on_priority(self, _flags: int, _stream_id: int, _payload: bytes) -> None:
        """Ignore what clients tell servers."""
        self._spend()

    def on_push(self, _flags: int, _stream_id: int, _payload: bytes) -> None:
        """Refuse what we said that we do not take."""
        raise PeerError(ErrorCode.PROTOCOL_ERROR, "a push, which we do not take")

    def _spend(self) -> None:
        """Count a frame that brings nothing; those that brought something make up for some."""
        contents = self._contents + self.sender.contents
        earned = (contents - self._contents_counted) * IDLE_FRAMES_EARNED
        self._contents_counted = contents
        self._budget = min(IDLE_FRAMES_MAX, self._budget + earned) - 1
        if self._budget < 0:
            raise PeerError(ErrorCode.ENHANCE_YOUR_CALM, "too many frames that bring nothing")


_Take = Callable[[Http2, int, int, bytes], None]
#: Who takes which frame, and whether it belongs to a stream (None where it may or may not). By
#: plain numbers, which are found at once: a member of an enumeration is only equal to them.
_TAKE: Final[Mapping[int, tuple[_Take, bool | None]]] = {
    int(type_): (take, on_stream)
    for type_, take, on_stream in (
        (FrameType.DATA, Http2.on_data, True),
        (FrameType.HEADERS, Http2.on_headers, True),
        (FrameType.PRIORITY, Http2.on_priority, True),
        (FrameType.RST_STREAM, Http2.on_reset, True),
        (FrameType.SETTINGS, Http2.on_settings, False),
        (FrameType.PUSH_PROMISE, Http2.on_push, True),
        (FrameType.PING, Http2.on_ping, False),
        (FrameType.GOAWAY, Http2.on_goaway, False),
        (FrameType.WINDOW_UPDATE, Http2.on_window, None),
    )
}
