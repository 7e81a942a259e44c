"""Header blocks that leave the compression table as it is (RFC 7541, section 6).

Such a block means the same wherever it stands, until another one changes the table: it can be
written once and sent again, or read once and recognised. Most heads are like those before them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Final, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
M = TypeVar("M")

#: Blocks that are remembered, and the longest of them.
_BLOCKS_MAX: Final = 64
_BLOCK_BYTES_MAX: Final = 1024
#: Names of headers that are remembered: there are a few that we keep out of tables.
_NAMES_MAX: Final = 64

_INDEXED: Final = 0x80
#: Literals that go into the table, and changes of its size.
_CHANGING: Final = 0x60
_NEVER_INDEXED: Final = b"\x10"
_COMPRESSED: Final = 0x80
#: Strings from here on have a length of more than one byte.
_LONG_STRING: Final = 0x7F

#: What may begin a block, a byte for each header: references to what stands in the table.
REFERENCES: Final = bytes(range(0x81, 0xFF))


class KnownBlocks(Generic[K, M]):
    """What is known of blocks under the compression table as it is now."""

    def __init__(self) -> None:
        self._known: dict[K, M] = {}
        #: Gives what was learned under a key.
        self.get: Callable[[K], M | None] = self._known.get

    def learn(self, key: K, block: bytes, meaning: M) -> None:
        """Take note of a block that was written or read, and forget all if it changed the table."""
        if changes_table(block) or len(self._known) >= _BLOCKS_MAX:
            self._known.clear()
        elif len(block) <= _BLOCK_BYTES_MAX:
            self._known[key] = meaning

    def forget(self) -> None:
        """Take note that the table changed."""
        self._known.clear()


def literal(name: bytes, value: bytes) -> bytes:
    """Write a header that is never put into a table, by anybody."""
    size = len(value)
    if size < _LONG_STRING:
        return b"%b%c%b" % (_beginning(name), size, value)
    return _beginning(name) + _string(value)


@lru_cache(_NAMES_MAX)
def _beginning(name: bytes) -> bytes:
    """Write what stands before the value of such a header."""
    return _NEVER_INDEXED + _string(name)


def read_literals(block: bytes) -> list[tuple[bytes, bytes]] | None:
    """Read headers that :func:`literal` wrote; None if there is anything else."""
    headers = []
    at = 0
    try:
        while at < len(block):
            if block[at] != _NEVER_INDEXED[0]:
                return None
            name, at = _read_string(block, at + 1)
            value, at = _read_string(block, at)
            headers.append((name, value))
    except (IndexError, ValueError):
        return None
    return headers


def changes_table(block: bytes) -> bool:
    """Tell whether a header block, which must be a legal one, changes the compression table."""
    at = 0
    while at < len(block):
        first = block[at]
        if first & _INDEXED:
            _, at = _read_number(block, at, 0x7F)
            continue
        if first & _CHANGING:
            return True
        index, at = _read_number(block, at, 0x0F)
        for _ in range(1 if index else 2):
            size, at = _read_number(block, at, 0x7F)
            at += size
    return False


def _string(text: bytes) -> bytes:
    """Write a string, as it is: what it would save is not worth the time of both sides."""
    size = len(text)
    if size < _LONG_STRING:
        return bytes((size,)) + text
    number = bytearray((_LONG_STRING,))
    size -= _LONG_STRING
    while size >= 0x80:
        number.append(size & 0x7F | 0x80)
        size >>= 7
    number.append(size)
    return bytes(number) + text


def _read_string(block: bytes, at: int) -> tuple[bytes, int]:
    """Read a string that stands there as it is; give it, and where it ends.

    Raises:
        ValueError: it is compressed, or the block ends before it.
        IndexError: the block ends before its length does.
    """
    first = block[at]
    if first & _COMPRESSED:
        raise ValueError("a compressed string")
    size, at = (first, at + 1) if first < 0x7F else _read_number(block, at, 0x7F)
    end = at + size
    if end > len(block):
        raise ValueError("a string without end")
    return block[at:end], end


def _read_number(block: bytes, at: int, mask: int) -> tuple[int, int]:
    """Read a number that begins within a byte; give it, and where it ends."""
    number = block[at] & mask
    at += 1
    if number < mask:
        return number, at
    shift = 0
    while True:
        byte = block[at]
        at += 1
        number += (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return number, at
