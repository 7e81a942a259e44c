"""Frames: the records that one sync made durable, as bytes in a segment.

    mark      4 bytes   the segment's own random bytes
    checksum  u32       CRC32C of all that follows
    size      u32       bytes after this header
    count     u32       records
    first     u64       LSN of the first record
    sizes     u32 each  length of each record
    records             one after the other

All numbers are little-endian. A frame is whole or it is nothing: since the next one is written only
after this one was synced, a damaged frame with a whole one behind it was damaged after it was safe,
and a damaged frame with nothing behind it is what a crash leaves of a write. The mark, which nobody
who gives us records can know, keeps a record that contains a frame from being taken for one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from crc32c import crc32c

MARK_BYTES: Final = 4
HEADER: Final = struct.Struct("<4sIIIQ")
_CHECKSUM: Final = struct.Struct("<I")
_CHECKSUM_AT: Final = MARK_BYTES
_CHECKED_FROM: Final = MARK_BYTES + _CHECKSUM.size

#: Far above any record that is let in, and far below what the length field can say.
RECORD_BYTES_MAX: Final = 1 << 30
#: Records that gathered are cut into frames of about this size; each frame costs a sync.
FRAME_BYTES_GOAL: Final = 16 << 20
assert RECORD_BYTES_MAX + FRAME_BYTES_GOAL < 1 << 32

#: Gives the bytes at an offset: so many, or fewer where the file ends.
Reader = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole frame: its checksum matches."""

    first_lsn: int
    records: list[bytes]
    #: Bytes it takes in the segment.
    size: int

    @property
    def next_lsn(self) -> int:
        """LSN that the first record of the next frame has."""
        return self.first_lsn + len(self.records)


def encode(mark: bytes, first_lsn: int, records: Sequence[bytes]) -> bytearray:
    """Give the bytes of a frame."""
    count = len(records)
    sizes = struct.pack(f"<{count}I", *map(len, records))
    frame = bytearray().join((bytes(HEADER.size), sizes, *records))
    HEADER.pack_into(frame, 0, mark, 0, len(frame) - HEADER.size, count, first_lsn)
    _CHECKSUM.pack_into(frame, _CHECKSUM_AT, crc32c(memoryview(frame)[_CHECKED_FROM:]))
    return frame


def decode(read: Reader, mark: bytes, offset: int, end: int) -> Frame | None:
    """Give the frame at an offset, or None if there is no whole one before ``end``."""
    header = read(offset, HEADER.size)
    if len(header) < HEADER.size:
        return None
    found_mark, checksum, size, count, first_lsn = HEADER.unpack(header)
    # A damaged size must not make us ask for memory that there is not.
    if found_mark != mark or size > end - offset - HEADER.size:
        return None
    body = read(offset + HEADER.size, size)
    if crc32c(body, crc32c(header[_CHECKED_FROM:])) != checksum:
        return None
    return Frame(first_lsn, _records(body, count), HEADER.size + size)


def find(read: Reader, mark: bytes, offset: int, end: int) -> int | None:
    """Give the offset of the first whole frame between ``offset`` and ``end``."""
    data = read(offset, end - offset)
    at = data.find(mark)
    while at >= 0:
        if decode(read, mark, offset + at, end):
            return offset + at
        at = data.find(mark, at + 1)
    return None


def _records(body: bytes, count: int) -> list[bytes]:
    sizes = struct.unpack_from(f"<{count}I", body)
    records = []
    start = 4 * count
    for size in sizes:
        records.append(body[start : start + size])
        start += size
    return records
