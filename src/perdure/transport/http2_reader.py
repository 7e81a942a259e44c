"""Reading HTTP/2: the bytes of a connection in, whole frames and whole header blocks out.

However the bytes are cut, the same frames come out. A header block comes in one frame or more,
which nothing may interrupt; it is given as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perdure.transport.http2_frames import (
    CONTINUATION,
    END_HEADERS,
    FRAME_BYTES_DEFAULT,
    HEAD,
    HEAD_BYTES,
    HEADERS,
    PADDED,
    PRIORITY,
    STREAM_ID_MAX,
    ErrorCode,
    PeerError,
    unpadded,
)
from perdure.transport.http2_headers import BLOCK_BYTES_MAX, HeaderBlock

#: Stream that a block depends on, and its weight: what nobody looks at any more.
_PRIORITY_BYTES: Final = 5
#: Flags that tell how a header block comes.
_HEADERS_FLAGS: Final = END_HEADERS | PADDED | PRIORITY

#: Type, flags, stream and payload; that of a header block has its first frame's flags, and no
#: padding.
Frame = tuple[int, int, int, bytes]


class FrameReader:
    """Reads what one peer says.

    Args:
        block_bytes_max: the longest header block that is taken.
    """

    def __init__(self, block_bytes_max: int = BLOCK_BYTES_MAX) -> None:
        self._input = b""
        self._block_bytes_max = block_bytes_max
        self._block = HeaderBlock(block_bytes_max)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Give the frames that are complete with this.

        Raises:
            PeerError: a frame is too large, or a header block is too long or interrupted.
        """
        if self._input:
            data = self._input + data
        offset, size = 0, len(data)
        block, unpack = self._block, HEAD.unpack_from
        while size - offset >= HEAD_BYTES:
            high, low, type_, flags, stream_id = unpack(data, offset)
            length = high << 16 | low
            if length > FRAME_BYTES_DEFAULT:
                raise PeerError(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            start = offset + HEAD_BYTES
            if size - start < length:
                break
            offset = start + length
            stream_id &= STREAM_ID_MAX
            frame: Frame | None = type_, flags, stream_id, data[start:offset]
            whole = type_ != CONTINUATION
            if type_ == HEADERS:
                whole = flags & _HEADERS_FLAGS == END_HEADERS and length <= self._block_bytes_max
            if block.open or not whole:  # hardly ever
                frame = self._take(type_, flags, stream_id, data[start:offset])
            if frame is not None:
                yield frame
        self._input = data[offset:]

    def _take(self, type_: int, flags: int, stream_id: int, payload: bytes) -> Frame | None:
        """Take a piece of a header block, or what comes amid one; give the block if it is whole."""
        block = self._block
        if type_ == CONTINUATION:
            block.go_on(stream_id, payload)
        elif block.open:
            raise PeerError(ErrorCode.PROTOCOL_ERROR, "a header block is interrupted")
        else:
            fragment = unpadded(flags, payload)
            block.begin(
                stream_id, flags, fragment[_PRIORITY_BYTES:] if flags & PRIORITY else fragment
            )
        if not flags & END_HEADERS:
            return None
        stream_id, flags, whole = block.finish()
        return HEADERS, flags, stream_id, whole
