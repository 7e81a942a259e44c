"""Frames: how messages are cut out of a stream of bytes (service protocol, section 3).

A frame is a header of eight bytes, all numbers big-endian, and the message's payload::

    0       2       4               8
    | type  | flags | payload bytes | payload ...

Streams carry frames back to back: chunks of the network may end anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

#: Payloads as long as this, or longer, are refused.
PAYLOAD_BYTES_LIMIT: Final = 32 * 1024 * 1024

#: Payloads from this length on are not copied out of what was received.
_LONG_BYTES: Final = 256 * 1024
#: Shorter chunks are put together as they come: an object for each takes many times their size.
_SHORT_BYTES: Final = 4 * 1024

#: Flag of a message that asks for an acknowledgement.
FLAG_ACK: Final = 0x8000

#: The encoded fields of a message; those of a long one are a part of what was received.
Payload = bytes | memoryview

_HEADER: Final = Struct(">HHI")
_HEADER_BYTES: Final = _HEADER.size
_read_header: Final = _HEADER.unpack_from


class WireError(Exception):
    """The peer sent bytes that are not the protocol; the attempt cannot go on."""


class TruncatedStreamError(WireError):
    """The stream ended in the middle of a message."""


#: A message as it travels: what it is, its flags and its encoded fields.
Frame = tuple[int, int, Payload]


class MessageTooLargeError(WireError):
    """A message is longer than what is accepted here."""

    def __init__(self, message: str, before: Sequence[Frame]) -> None:
        super().__init__(message)
        #: Whole messages of the same chunk that came before it.
        self.before = before


class FrameDecoder:
    """Cuts frames out of chunks of bytes.

    Args:
        payload_bytes_limit: Payloads as long as this, or longer, are refused before they come.
    """

    __slots__ = ("_limit", "_missing", "_pending", "waiting_bytes")

    def __init__(self, payload_bytes_limit: int = PAYLOAD_BYTES_LIMIT) -> None:
        self._limit = payload_bytes_limit
        #: Chunks of a message that is not whole yet; they are put together once, when it is.
        self._pending: list[bytes | bytearray] = []
        #: What has come of a message that is not whole yet, in bytes.
        self.waiting_bytes = 0
        #: Bytes that must be pending before looking at them again is of use.
        self._missing = 0

    def receive_data(self, data: bytes) -> list[Frame]:
        """Take a chunk; give the frames that it completes.

        Raises:
            MessageTooLargeError: a header announces more than is accepted.
        """
        pending = self._pending
        if pending:
            self._hold(data)
            if self.waiting_bytes < self._missing:
                return []
            data = b"".join(pending)
            pending.clear()
            self.waiting_bytes = 0
        # The usual chunk holds whole frames: they are cut out of it without another copy.
        frames: list[Frame] = []
        start, size, limit = 0, len(data), self._limit
        while (body := start + _HEADER_BYTES) <= size:
            kind, flags, length = _read_header(data, start)
            if length >= limit:
                raise MessageTooLargeError(
                    f"a message of type {kind:#06x} has {length} bytes, and fewer than "
                    f"{limit} are accepted: make its value smaller, or raise the limit",
                    frames,
                )
            end = body + length
            if end > size:
                self._wait_for(end - start, data[start:])
                return frames
            payload = data[body:end] if length < _LONG_BYTES else memoryview(data)[body:end]
            frames.append((kind, flags, payload))
            start = end
        if start < size:
            self._wait_for(_HEADER_BYTES, data[start:])
        return frames

    def receive_eof(self) -> None:
        """Learn that the stream has ended.

        Raises:
            TruncatedStreamError: it ended within a message.
        """
        if self._pending:
            raise TruncatedStreamError(
                f"the stream ended within a message: {self.waiting_bytes} bytes of "
                f"{self._missing} had come"
            )

    def _hold(self, data: bytes) -> None:
        """Keep a chunk until its message is whole."""
        pending = self._pending
        self.waiting_bytes += len(data)
        if len(data) >= _SHORT_BYTES:
            pending.append(data)
            return
        last = pending[-1]
        if isinstance(last, bytearray):
            last += data
        else:
            pending.append(bytearray(data))

    def _wait_for(self, missing: int, begun: bytes) -> None:
        """Keep the beginning of a frame until so many bytes of it have come."""
        self._missing = missing
        self._pending.append(begun)
        self.waiting_bytes = len(begun)


def frame(kind: int, flags: int, payload: bytes) -> bytes:
    """Put a header before a payload."""
    return _HEADER.pack(kind, flags, len(payload)) + payload


#: Gives the header of a payload that follows by itself, by its kind, flags and size.
frame_header: Final = _HEADER.pack
