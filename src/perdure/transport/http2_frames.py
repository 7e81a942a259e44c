"""Frames of HTTP/2: their layout on the wire (RFC 9113, sections 4 to 6)."""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES: Final = 9
#: Every endpoint takes frames of this size; we announce no more.
FRAME_BYTES_DEFAULT: Final = 16 * 1024
FRAME_BYTES_MAX: Final = 2**24 - 1
WINDOW_DEFAULT: Final = 65_535
WINDOW_MAX: Final = 2**31 - 1
STREAM_ID_MAX: Final = 2**31 - 1

END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
PRIORITY: Final = 0x20

#: The head of a frame: length (high and low part), type, flags, stream, and before that a bit that
#: says nothing.
HEAD: Final = struct.Struct(">BHBBL")
_pack_head: Final = HEAD.pack
_SETTING: Final = struct.Struct(">HL")
_NUMBER: Final = struct.Struct(">L")
_PAIR: Final = struct.Struct(">LL")


class FrameType(IntEnum):
    """What a frame is."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


#: Those of which there are many: to look up a member of an enumeration takes Python 3.11 as long as
#: all the rest that is done with a frame's head.
DATA: Final = FrameType.DATA
HEADERS: Final = FrameType.HEADERS
SETTINGS: Final = FrameType.SETTINGS
WINDOW_UPDATE: Final = FrameType.WINDOW_UPDATE
CONTINUATION: Final = FrameType.CONTINUATION


class Setting(IntEnum):
    """What endpoints tell each other about themselves."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class ErrorCode(IntEnum):
    """Why a stream or connection ends."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class PeerError(Exception):
    """The peer broke the rules of HTTP/2; the connection ends with this code."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def frame(type_: FrameType, flags: int, stream_id: int, payload: bytes | memoryview = b"") -> bytes:
    """Write a frame."""
    length = len(payload)
    return _pack_head(length >> 16, length & 0xFFFF, type_, flags, stream_id) + payload


def header_frames(stream_id: int, block: bytes, *, ended: bool) -> bytes:
    """Write a block of headers; if nothing follows it, the stream has ended with it."""
    type_, flags = HEADERS, END_STREAM if ended else 0
    if len(block) <= FRAME_BYTES_DEFAULT:
        return frame(type_, flags | END_HEADERS, stream_id, block)
    frames = []
    while len(block) > FRAME_BYTES_DEFAULT:
        frames.append(frame(type_, flags, stream_id, block[:FRAME_BYTES_DEFAULT]))
        block = block[FRAME_BYTES_DEFAULT:]
        type_, flags = CONTINUATION, 0
    frames.append(frame(type_, flags | END_HEADERS, stream_id, block))
    return b"".join(frames)


def read_head(data: bytes | bytearray, offset: int) -> tuple[int, int, int, int]:
    """Read the head of a frame: length, type, flags and stream."""
    high, low, type_, flags, stream_id = HEAD.unpack_from(data, offset)
    return high << 16 | low, type_, flags, stream_id & STREAM_ID_MAX


def settings_frame(values: dict[Setting, int]) -> bytes:
    """Write a SETTINGS frame."""
    payload = b"".join(_SETTING.pack(setting, value) for setting, value in values.items())
    return frame(FrameType.SETTINGS, 0, 0, payload)


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Read what a SETTINGS frame says.

    Raises:
        PeerError: it is cut off.
    """
    if len(payload) % _SETTING.size:
        raise PeerError(ErrorCode.FRAME_SIZE_ERROR, "a SETTINGS frame is cut off")
    return list(_SETTING.iter_unpack(payload))


def number_frame(type_: FrameType, stream_id: int, number: int) -> bytes:
    """Write a frame that holds one number: WINDOW_UPDATE or RST_STREAM."""
    return frame(type_, 0, stream_id, _NUMBER.pack(number))


def read_number(payload: bytes) -> int:
    """Read the number of a frame that holds just one.

    Raises:
        PeerError: it holds more or less.
    """
    if len(payload) != _NUMBER.size:
        raise PeerError(ErrorCode.FRAME_SIZE_ERROR, "a frame has the wrong size for its type")
    (number,) = _NUMBER.unpack(payload)
    return int(number)


def goaway_frame(code: ErrorCode, last: int = 0) -> bytes:
    """Write a GOAWAY frame, with the last stream of the peer's that was looked at."""
    return frame(FrameType.GOAWAY, 0, 0, _PAIR.pack(last, code))


def read_goaway(payload: bytes) -> tuple[int, int]:
    """Read the last stream that the peer looked at, and its error code.

    Raises:
        PeerError: the frame is cut off.
    """
    if len(payload) < _PAIR.size:
        raise PeerError(ErrorCode.FRAME_SIZE_ERROR, "a GOAWAY frame is cut off")
    last, code = _PAIR.unpack_from(payload)
    return last & STREAM_ID_MAX, code


def unpadded(flags: int, payload: bytes) -> bytes:
    """Take the padding off a DATA or HEADERS frame.

    Raises:
        PeerError: there is more padding than frame.
    """
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise PeerError(ErrorCode.PROTOCOL_ERROR, "a frame holds more padding than it is long")
    return payload[1 : len(payload) - payload[0]]


def error_name(code: int) -> str:
    """Name an error code for people."""
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"error {code}"
