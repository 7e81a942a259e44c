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
        #: What came since we last opened the connection's window, and how much of that opens it.
        self._unread = 0
        self._wide_enough = limits.connection_window // 2
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
        sender = self.sender
        for type_, flags, stream_id, payload in self._reader.feed(data):
            if not self.greeted and type_ != SETTINGS:
                raise PeerError(ErrorCode.PROTOCOL_ERROR, "the peer does not begin with SETTINGS")
            if stream_id:
                take = _ON_STREAM.get(type_)
                stream = sender.stream(stream_id)
                if take is None:
                    self._ignore(type_, stream_id)
                elif stream is None and not sender.was_opened(stream_id):
                    what = f"stream {stream_id} was never opened"
                    raise PeerError(ErrorCode.PROTOCOL_ERROR, what)
                else:
                    take(self, flags, stream, payload)
            else:
                take_all = _ON_CONNECTION.get(type_)
                if take_all is None:
                    self._ignore(type_, stream_id)
                else:
                    take_all(self, flags, payload)
            if sender.backlog > BACKLOG_BYTES_MAX:
                raise PeerError(ErrorCode.ENHANCE_YOUR_CALM, "the peer asks, and does not listen")

    def _ignore(self, type_: int, stream_id: int) -> None:
        """Ignore a frame that we do not know (RFC 9113, 5.5); one that we do is out of place."""
        if type_ in _ON_STREAM or type_ in _ON_CONNECTION:
            raise PeerError(ErrorCode.PROTOCOL_ERROR, f"a frame of type {type_} on {stream_id}")
        self._spend()

    def on_data(self, flags: int, stream: Stream | None, payload: bytes) -> None:
        """Take a piece of a body."""
        # Padding counts for the windows, and frames of closed streams for the connection's.
        size = len(payload)
        self._unread += size
        if self._unread >= self._wide_enough:
            self._widen_all()
        content = unpadded(flags, payload) if flags & PADDED else payload
        ended = flags & END_STREAM != 0
        if content or ended:
            self._contents += 1
        else:
            self._spend()
        if stream is None:
            return
        if not stream.headed:
            self.sender.break_off(stream, ErrorCode.PROTOCOL_ERROR, "a body before its head")
            return
        stream.unread += size
        limit = self._limits.stream_window
        if stream.unread > limit:
            reason = "more data than the window allows"
            self.sender.break_off(stream, ErrorCode.FLOW_CONTROL_ERROR, reason)
            return
        stream.exchange.ending = ended
        if content:
            stream.exchange.hear_data(content)
        if ended:
            self._on_end(stream)
        elif stream.unread >= limit // 2 and self.sender.stream(stream.id) is not None:
            # Unless the listener gave up on this piece.
            self.sender.say(number_frame(FrameType.WINDOW_UPDATE, stream.id, stream.unread))
            stream.unread = 0

    def _widen_all(self) -> None:
        """Let the peer send as much as it has sent since it was last told so."""
        if self._unread > self._limits.connection_window:
            raise PeerError(ErrorCode.FLOW_CONTROL_ERROR, "more data than the window allows")
        self.sender.say(number_frame(FrameType.WINDOW_UPDATE, 0, self._unread))
        self._unread = 0

    def on_headers(self, flags: int, stream: Stream | None, block: bytes) -> None:
        """Take a header block."""
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

    def on_reset(self, _flags: int, stream: Stream | None, payload: bytes) -> None:
        """Take note that the peer ends a stream."""
        code = read_number(payload)
        self._spend()
        if stream is None:
            return
        self.sender.forget(stream)
        reason = f"the service reset the stream ({error_name(code)})"
        if code == ErrorCode.REFUSED_STREAM:
            self._owner.refused(stream.exchange, reason)
        else:
            stream.exchange.lose(LostError(reason))

    def on_settings(self, flags: int, payload: bytes) -> None:
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

    def on_ping(self, flags: int, payload: bytes) -> None:
        """Give a sign of life."""
        self._spend()
        if len(payload) != 8:
            raise PeerError(ErrorCode.FRAME_SIZE_ERROR, "a PING without its eight bytes")
        if not flags & ACK:
            self.sender.say(frame(FrameType.PING, ACK, 0, payload))

    def on_goaway(self, _flags: int, payload: bytes) -> None:
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

    def on_wider(self, _flags: int, payload: bytes) -> None:
        """Take note that the peer takes more on all streams together."""
        increment = read_number(payload) & WINDOW_MAX
        self._spend()
        if not increment:
            raise PeerError(ErrorCode.PROTOCOL_ERROR, "a window that grows by nothing")
        self.sender.widen_all(increment)

    def on_window(self, _flags: int, stream: Stream | None, payload: bytes) -> None:
        """Take note that the peer takes more on one stream."""
        increment = read_number(payload) & WINDOW_MAX
        self._spend()
        if stream is not None and increment:
            self.sender.widen(stream, increment)
        elif stream is not None:
            reason = "a window that grows by nothing"
            self.sender.break_off(stream, ErrorCode.PROTOCOL_ERROR, reason)

    def on_priority(self, _flags: int, _stream: Stream | None, _payload: bytes) -> None:
        """Ignore what clients tell servers."""
        self._spend()

    def on_push(self, _flags: int, _stream: Stream | None, _payload: bytes) -> None:
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


#: Who takes which frame. By plain numbers, which are found at once: a member of an enumeration is
#: only equal to them.
_ON_STREAM: Final[Mapping[int, Callable[[Http2, int, Stream | None, bytes], None]]] = {
    int(FrameType.DATA): Http2.on_data,
    int(FrameType.HEADERS): Http2.on_headers,
    int(FrameType.PRIORITY): Http2.on_priority,
    int(FrameType.RST_STREAM): Http2.on_reset,
    int(FrameType.PUSH_PROMISE): Http2.on_push,
    int(FrameType.WINDOW_UPDATE): Http2.on_window,
}
_ON_CONNECTION: Final[Mapping[int, Callable[[Http2, int, bytes], None]]] = {
    int(FrameType.SETTINGS): Http2.on_settings,
    int(FrameType.PING): Http2.on_ping,
    int(FrameType.GOAWAY): Http2.on_goaway,
    int(FrameType.WINDOW_UPDATE): Http2.on_wider,
}
