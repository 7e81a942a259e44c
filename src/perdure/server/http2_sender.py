"""What goes out on one HTTP/2 connection: frames as they are, and bodies as far as windows go.

Bodies are framed when the connection is ready to send (:meth:`Sender.output`), a piece of each
stream's in turn.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from jh2._hazmat import Encoder

from perdure.server.exchanges import Header
from perdure.server.http1_requests import HEAD_BYTES_MAX
from perdure.transport.http2_frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES_DEFAULT,
    HEADERS,
    WINDOW_DEFAULT,
    WINDOW_MAX,
    ErrorCode,
    FrameType,
    PeerError,
    Setting,
    frame,
    number_frame,
    settings_frame,
)

#: Requests at the same time on one connection.
STREAMS_MAX: Final = 256
#: What a client may send of one body, and of all together, before an application has read it.
STREAM_WINDOW: Final = 256 * 1024
CONNECTION_WINDOW: Final = 1024 * 1024
#: Bytes framed in one go.
OUTPUT_BYTES: Final = 256 * 1024
#: Size of the compression table at the most, whatever the client allows.
_TABLE_BYTES_MAX: Final = 4096
#: Headers that differ from one response to the next, and would push out of the table what does not.
_UNINDEXED: Final = frozenset({b"x-restate-id", b"content-length", b"date", b"idempotency-expires"})

GREETING: Final = settings_frame(
    {
        Setting.MAX_CONCURRENT_STREAMS: STREAMS_MAX,
        Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
        Setting.MAX_HEADER_LIST_SIZE: HEAD_BYTES_MAX,
    }
) + number_frame(FrameType.WINDOW_UPDATE, 0, CONNECTION_WINDOW - WINDOW_DEFAULT)


class Outgoing:
    """What is to be sent of one body."""

    __slots__ = ("_pieces", "ended", "id", "unsent", "window")

    def __init__(self, stream_id: int, window: int) -> None:
        self._pieces: deque[memoryview] = deque()
        self.id = stream_id
        #: What the client takes on this stream for now, in bytes.
        self.window = window
        #: What was added and not framed yet, in bytes.
        self.unsent = 0
        #: Whether nothing will be added.
        self.ended = False

    def add(self, content: bytes) -> None:
        """Send this after what is there."""
        self._pieces.append(memoryview(content))
        self.unsent += len(content)

    def take(self, limit: int) -> memoryview:
        """Give the next piece, of so many bytes at the most."""
        piece = self._pieces[0]
        if len(piece) > limit:
            self._pieces[0] = piece[limit:]
            piece = piece[:limit]
        else:
            self._pieces.popleft()
        self.unsent -= len(piece)
        return piece


class Feeder(Protocol):
    """Whose bodies are sent."""

    def wanted(self) -> None:
        """There is something to send."""

    def framed(self, stream_id: int, size: int) -> None:
        """So many bytes of a stream's body were framed; after the last ones it has ended."""


class Sender:
    """The sending half of one connection.

    Args:
        feeder: is told what follows.
    """

    def __init__(self, feeder: Feeder) -> None:
        self._feeder = feeder
        self._encoder = Encoder()
        self._output: list[bytes] = [GREETING]
        #: Streams that have something to send and are not held up by their own window.
        self._ready: dict[int, Outgoing] = {}
        self._window = WINDOW_DEFAULT
        #: Bytes of frames, other than bodies, that wait to be sent.
        self.backlog = len(GREETING)

    def say(self, data: bytes) -> None:
        """Send a frame as it is."""
        self._output.append(data)
        self.backlog += len(data)
        self._feeder.wanted()

    def limit_table(self, size: int) -> None:
        """Respect the size of the compression table that the client allows."""
        self._encoder.header_table_size = min(size, _TABLE_BYTES_MAX)

    def say_head(self, stream_id: int, fields: list[Header], *, ended: bool = False) -> None:
        """Send the head of a response, which may be all of it."""
        block = bytes(
            self._encoder.encode([(name, value, name in _UNINDEXED) for name, value in fields])
        )
        type_, flags = HEADERS, END_STREAM if ended else 0
        while len(block) > FRAME_BYTES_DEFAULT:
            self.say(frame(type_, flags, stream_id, block[:FRAME_BYTES_DEFAULT]))
            block = block[FRAME_BYTES_DEFAULT:]
            type_, flags = CONTINUATION, 0
        self.say(frame(type_, flags | END_HEADERS, stream_id, block))

    def want(self, outgoing: Outgoing) -> None:
        """Send a body, or what there is of it, when the connection is ready to."""
        if (outgoing.unsent and outgoing.window > 0) or (outgoing.ended and not outgoing.unsent):
            self._ready[outgoing.id] = outgoing
            self._feeder.wanted()

    def forget(self, outgoing: Outgoing) -> None:
        """Send no more of a body."""
        self._ready.pop(outgoing.id, None)

    def widen(self, outgoing: Outgoing, difference: int) -> bool:
        """Let a stream send more, or less; tell whether its window is one still."""
        outgoing.window += difference
        if outgoing.window > WINDOW_MAX:
            return False
        if outgoing.unsent:
            self.want(outgoing)
        return True

    def widen_all(self, difference: int) -> None:
        """Let all streams together send more.

        Raises:
            PeerError: that is more than there can be.
        """
        self._window += difference
        if self._window > WINDOW_MAX:
            raise PeerError(ErrorCode.FLOW_CONTROL_ERROR, "a window of more than 2^31-1 bytes")
        if self._ready:
            self._feeder.wanted()

    def output(self) -> bytes:
        """Give the next bytes to send; more may follow unless there are none."""
        size = 0
        progress = True
        while self._ready and progress and size < OUTPUT_BYTES:
            progress = False
            for outgoing in list(self._ready.values()):
                framed = self._frame_piece(outgoing)
                if framed is not None:
                    size += framed
                    progress = True
        output, self._output = b"".join(self._output), []
        self.backlog = 0
        return output

    def _frame_piece(self, outgoing: Outgoing) -> int | None:
        """Frame the next piece of a body; None if it has to wait."""
        piece: bytes | memoryview = b""
        if outgoing.unsent:
            limit = min(self._window, outgoing.window, FRAME_BYTES_DEFAULT)
            if limit <= 0:
                if outgoing.window <= 0:
                    del self._ready[outgoing.id]
                return None
            piece = outgoing.take(limit)
        size = len(piece)
        self._window -= size
        outgoing.window -= size
        ended = outgoing.ended and not outgoing.unsent
        self._output.append(frame(DATA, END_STREAM if ended else 0, outgoing.id, bytes(piece)))
        if not outgoing.unsent:
            del self._ready[outgoing.id]
        self._feeder.framed(outgoing.id, size)
        return size
