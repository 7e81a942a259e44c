"""What goes out to a client over HTTP/2: heads of responses, and their bodies by turns."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from jh2._hazmat import Encoder
from typing_extensions import override

from perdure.protocol.direct_http import Header
from perdure.server.http1_requests import HEAD_BYTES_MAX
from perdure.transport.exchanges import Buffer
from perdure.transport.http2_blocks import KnownBlocks
from perdure.transport.http2_frames import (
    DATA,
    END_STREAM,
    FRAME_BYTES_DEFAULT,
    WINDOW_DEFAULT,
    WINDOW_MAX,
    FrameType,
    Setting,
    frame,
    header_frames,
    number_frame,
    settings_frame,
)
from perdure.transport.http2_output import Output

#: Requests at the same time on one connection, unless the server is set otherwise.
STREAMS_MAX: Final = 256
#: What a client may send of one body, and of all together, before an application has read it.
STREAM_WINDOW: Final = 256 * 1024
CONNECTION_WINDOW: Final = 1024 * 1024
#: Bodies up to this size are sent at once, unless so much waits to be sent already, in bytes.
_LITTLE_BYTES: Final = 4096
_CROWDED_BYTES: Final = 64 * 1024
#: Size of the compression table at the most, whatever the client allows.
_TABLE_BYTES_MAX: Final = 4096
#: Headers that differ from one response to the next, and would push out of the table what does not.
_UNINDEXED: Final = frozenset({b"x-restate-id", b"content-length", b"date", b"idempotency-expires"})
#: Those of them that stand in no other response.
_UNIQUE: Final = frozenset({b"x-restate-id", b"idempotency-expires"})


def greeting(streams_max: int) -> bytes:
    """Give what the client is told first: how much it may ask for."""
    settings = {
        Setting.MAX_CONCURRENT_STREAMS: streams_max,
        Setting.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
        Setting.MAX_HEADER_LIST_SIZE: HEAD_BYTES_MAX,
    }
    more = number_frame(FrameType.WINDOW_UPDATE, 0, CONNECTION_WINDOW - WINDOW_DEFAULT)
    return settings_frame(settings) + more


class Outgoing:
    """What is to be sent of one body."""

    __slots__ = ("_pieces", "ended", "id", "unsent", "window")

    def __init__(self, stream_id: int, window: int) -> None:
        #: Made with the first piece: most bodies are sent whole, behind their heads.
        self._pieces: deque[Buffer] | None = None
        self.id = stream_id
        #: What the client takes on this stream for now, in bytes.
        self.window = window
        #: What was added and not framed yet, in bytes.
        self.unsent = 0
        #: Whether nothing will be added.
        self.ended = False

    def add(self, content: bytes) -> None:
        """Send this after what is there."""
        if self._pieces is None:
            self._pieces = deque()
        self._pieces.append(content)
        self.unsent += len(content)

    def take(self, limit: int) -> Buffer:
        """Give the next piece, of so many bytes at the most."""
        assert self._pieces is not None, "something was added"
        piece = self._pieces[0]
        if len(piece) > limit:
            # So that what is left is not copied again and again.
            view = memoryview(piece)
            self._pieces[0], piece = view[limit:], view[:limit]
        else:
            self._pieces.popleft()
        self.unsent -= len(piece)
        return piece


class Feeder(Protocol):
    """Whose bodies are sent."""

    def framed(self, stream_id: int, size: int) -> None:
        """So many bytes of a stream's body were framed; after the last ones it has ended."""


class Sender(Output[Outgoing]):
    """The sending half of one connection.

    Args:
        feeder: is told what follows.
        wanted: told when there is something to send.
        streams_max: requests that the client may have under way.
    """

    def __init__(self, feeder: Feeder, wanted: Callable[[], None], streams_max: int) -> None:
        super().__init__(greeting(streams_max), wanted)
        self._feeder = feeder
        self._encoder = Encoder()
        #: Heads that were sent already: those of attempts are alike for as long as a second.
        self._written: KnownBlocks[tuple[Header, ...], bytes] = KnownBlocks()

    def limit_table(self, size: int) -> None:
        """Respect the size of the compression table that the client allows."""
        self._encoder.header_table_size = min(size, _TABLE_BYTES_MAX)
        self._written.forget()

    def say_head(self, stream_id: int, fields: tuple[Header, ...], *, ended: bool = False) -> None:
        """Send the head of a response, which may be all of it."""
        self.say(header_frames(stream_id, self._block(fields), ended=ended))

    def _block(self, fields: tuple[Header, ...]) -> bytes:
        """Compress a head, which has to be sent then."""
        block = self._written.get(fields)
        if block is None:
            encoded = [(name, value, name in _UNINDEXED) for name, value in fields]
            block = bytes(self._encoder.encode(encoded))
            if _UNIQUE.isdisjoint([name for name, _ in fields]):
                self._written.learn(fields, block, block)
            else:
                self._written.forget()  # it may have changed the table
        return block

    def say_whole(self, outgoing: Outgoing, fields: tuple[Header, ...], content: bytes) -> bool:
        """Send a head and all of its body, if that is short and nothing stands in its way."""
        size = len(content)
        if size > _LITTLE_BYTES or size > self._window or size > outgoing.window:
            return False
        if self._ready or self.backlog > _CROWDED_BYTES:
            return False
        self._window -= size
        head = header_frames(outgoing.id, self._block(fields), ended=False)
        self.say(head + frame(DATA, END_STREAM, outgoing.id, content))
        return True

    def want(self, outgoing: Outgoing) -> None:
        """Send a body, or what there is of it, when the connection is ready to."""
        if (outgoing.unsent and outgoing.window > 0) or (outgoing.ended and not outgoing.unsent):
            self._ready[outgoing.id] = outgoing
            self._wanted()

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

    @override
    def _frame_piece(self, stream: Outgoing) -> int | None:
        piece: Buffer = b""
        if stream.unsent:
            limit = min(self._window, stream.window, FRAME_BYTES_DEFAULT)
            if limit <= 0:
                if stream.window <= 0:
                    del self._ready[stream.id]
                return None
            piece = stream.take(limit)
        size = len(piece)
        self._window -= size
        stream.window -= size
        ended = stream.ended and not stream.unsent
        self._output.append(frame(DATA, END_STREAM if ended else 0, stream.id, piece))
        if not stream.unsent:
            del self._ready[stream.id]
        self._feeder.framed(stream.id, size)
        return size
