"""The server's side of HTTP/2 in tests: frames as values."""

from __future__ import annotations

import struct

from jh2._hazmat import Encoder

from perdure.transport.exchanges import Exchange, Request
from perdure.transport.http2 import Http2
from perdure.transport.http2_frames import (
    END_HEADERS,
    PREFACE,
    FrameType,
    frame,
    read_head,
    settings_frame,
)

SETTINGS = settings_frame({})
REQUEST = Request("POST", "/invoke/S/h", (("content-type", "x"),))


def frames(data: bytes) -> list[tuple[FrameType, int, int, bytes]]:
    """Cut what a client said into frames: type, flags, stream, payload."""
    data = data.removeprefix(PREFACE)
    cut = []
    while data:
        length, type_, flags, stream_id = read_head(data, 0)
        cut.append((FrameType(type_), flags, stream_id, data[9 : 9 + length]))
        data = data[9 + length :]
    return cut


class Listener:
    """Notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def head(self, status, _headers):
        self.heard.append(status)

    def data(self, data):
        self.heard.append(data)

    def end(self):
        self.heard.append("end")

    def lost(self, error):
        self.heard.append(error)


class Conversation:
    """One connection, with this test as its server and its owner."""

    def __init__(self, settings: bytes = SETTINGS) -> None:
        self.refused_exchanges: list[tuple[Exchange, str]] = []
        self.machine = Http2("http", "host:80", self)
        self.encoder = Encoder()
        self.machine.receive(settings)
        self.said()

    def wanted(self) -> None:
        pass

    def freed(self) -> None:
        pass

    def refused(self, exchange: Exchange, reason: str) -> None:
        self.refused_exchanges.append((exchange, reason))

    def open(self, *bodies: bytes, ended: bool = False) -> tuple[Exchange, Listener]:
        listener = Listener()
        exchange = Exchange(REQUEST, listener)
        for body in bodies:
            exchange.send(body)
        if ended:
            exchange.end()
        self.machine.sender.open(exchange)
        return exchange, listener

    def said(self) -> list[tuple[FrameType, int, int, bytes]]:
        """Give the frames said since the last time."""
        data = b""
        while more := self.machine.sender.output():
            data += more
        return frames(data)

    def bodies(self) -> dict[int, int]:
        """Give how many bytes of bodies were said, by stream."""
        sizes: dict[int, int] = {}
        for type_, _, stream_id, payload in self.said():
            if type_ is FrameType.DATA:
                sizes[stream_id] = sizes.get(stream_id, 0) + len(payload)
        return sizes

    def hear(self, type_: FrameType, flags: int, stream_id: int, payload: bytes = b"") -> None:
        self.machine.receive(frame(type_, flags, stream_id, payload))

    def head(self, stream_id: int, status: int = 200, flags: int = 0, **headers: str) -> None:
        fields = [(b":status", str(status).encode(), False)]
        fields += [(name.encode(), value.encode(), False) for name, value in headers.items()]
        block = bytes(self.encoder.encode(fields))
        self.hear(FrameType.HEADERS, END_HEADERS | flags, stream_id, block)

    def widen(self, stream_id: int, by: int) -> None:
        self.hear(FrameType.WINDOW_UPDATE, 0, stream_id, struct.pack(">L", by))
