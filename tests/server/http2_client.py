"""The client's side of HTTP/2 in tests: frames as values, and a machine that takes them."""

from __future__ import annotations

import struct

import pytest
from jh2._hazmat import Decoder, Encoder

from perdure.server.exchanges import Exchange
from perdure.server.http2 import Http2
from perdure.server.http2_sender import STREAMS_MAX
from perdure.transport.http2_frames import (
    END_HEADERS,
    END_STREAM,
    ErrorCode,
    FrameType,
    PeerError,
    frame,
    read_head,
    settings_frame,
)

SETTINGS = settings_frame({})
ENDED = END_STREAM
GET = ((b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"host"), (b":path", b"/a?b=c"))
POST = ((b":method", b"POST"), *GET[1:])


def frames(data: bytes) -> list[tuple[FrameType, int, int, bytes]]:
    """Cut what was said into frames: type, flags, stream, payload."""
    cut = []
    while data:
        length, type_, flags, stream_id = read_head(data, 0)
        cut.append((FrameType(type_), flags, stream_id, data[9 : 9 + length]))
        data = data[9 + length :]
    return cut


class Conversation:
    """One connection, with this test as its client and its owner; applications are played by hand.

    What the server says is noted in ``frames``, without its greeting.
    """

    def __init__(self, settings: bytes = SETTINGS, streams_max: int = STREAMS_MAX) -> None:
        self.date = b"today"
        self.now = 0.0
        self.clocks = self
        self.begun: list[Exchange] = []
        self.done: list[Exchange] = []
        self.kept = 0
        self.encoder = Encoder()
        self.decoder = Decoder()
        self.machine = Http2(self, streams_max)
        self.machine.receive(settings)
        self.said()

    def begin(self, exchange: Exchange) -> None:
        self.begun.append(exchange)

    def finished(self, exchange: Exchange) -> None:
        self.done.append(exchange)

    def keep(self, size: int) -> None:
        self.kept += size

    def wanted(self) -> None:
        pass

    # -- The client

    def hear(self, type_: FrameType, flags: int, stream_id: int, payload: bytes = b"") -> None:
        self.machine.receive(frame(type_, flags, stream_id, payload))

    def block(self, fields) -> bytes:
        return bytes(self.encoder.encode([(name, value, False) for name, value in fields]))

    def open(self, stream_id: int = 1, fields=POST, flags: int = 0, extra=()) -> Exchange | None:
        """Send a head; give the exchange that it began."""
        before = len(self.begun)
        block = self.block([*fields, *extra])
        self.hear(FrameType.HEADERS, END_HEADERS | flags, stream_id, block)
        return self.begun[-1] if len(self.begun) > before else None

    def send(self, stream_id: int, content: bytes, flags: int = 0) -> None:
        self.hear(FrameType.DATA, flags, stream_id, content)

    def reset(self, stream_id: int) -> None:
        self.hear(FrameType.RST_STREAM, 0, stream_id, struct.pack(">L", 8))

    def widen(self, stream_id: int, by: int) -> None:
        self.hear(FrameType.WINDOW_UPDATE, 0, stream_id, struct.pack(">L", by))

    # -- What the server says

    def said(self) -> list[tuple[FrameType, int, int, bytes]]:
        """Give the frames said since the last time."""
        data = b""
        while more := self.machine.sender.output():
            data += more
        return frames(data)

    def told(self) -> list[tuple[str, int, object]]:
        """Give what was said since the last time, for people: what, on which stream, and more."""
        return [self._tell(*each) for each in self.said()]

    def _tell(self, type_: FrameType, flags: int, stream_id: int, payload: bytes):
        match type_:
            case FrameType.HEADERS:
                block = self.decoder.decode(payload, True)
                return "head", stream_id, {name: value for name, value, _ in block}
            case FrameType.DATA:
                return "end" if flags & END_STREAM else "data", stream_id, payload
            case FrameType.GOAWAY:
                return "goaway", *struct.unpack(">LL", payload)
            case FrameType.RST_STREAM | FrameType.WINDOW_UPDATE:
                return type_.name.lower(), stream_id, struct.unpack(">L", payload)[0]
            case _:
                return type_.name.lower(), stream_id, payload


def refused(world: Conversation, code: ErrorCode, *args) -> bool:
    """Tell whether the connection ends when this is heard."""
    with pytest.raises(PeerError) as caught:
        world.hear(*args)
    return caught.value.code == code
