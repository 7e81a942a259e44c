"""Trees of futures that are too deep for the protobuf library, told from bytes that are no message.

The library gives up on both alike. One is a handler that the operator should look at, the other a
peer that does not speak the protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

#: Messages that carry a tree, and the field that holds it.
TREES: Final[Mapping[int, int]] = {0x0001: 4, 0x0006: 1}
#: The field of a future that holds the futures it consists of.
_NESTED: Final = 4
#: So many messages within each other are read.
_LEVELS_MAX: Final = 100
#: Longer messages are not looked into, because that takes time that belongs to others.
_BYTES_MAX: Final = 64 * 1024

_VARINT: Final = 0
_BYTES: Final = 2
#: Bytes of the values of fixed size.
_FIXED: Final = {1: 8, 5: 4}


def is_too_deep(kind: int, payload: bytes) -> bool:
    """Tell whether a message that cannot be read is one that carries too deep a tree."""
    if kind not in TREES or len(payload) > _BYTES_MAX:
        return False
    try:
        level = list(_parts(memoryview(payload), TREES[kind]))
        for _ in range(_LEVELS_MAX):
            level = [part for parent in level for part in _parts(parent, _NESTED)]
    except ValueError:
        return False
    return bool(level)


def _parts(view: memoryview, number: int) -> Iterator[memoryview]:
    """Give the messages within a message that stand in one of its fields.

    Raises:
        ValueError: this is no message.
    """
    at = 0
    while at < len(view):
        tag, at = _varint(view, at)
        kind = tag & 7
        if kind == _VARINT:
            _, at = _varint(view, at)
        elif kind == _BYTES:
            size, at = _varint(view, at)
            if tag >> 3 == number:
                yield view[at : at + size]
            at += size
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            raise ValueError(f"there is no kind {kind} of fields")


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """Read a number; give it, and where what follows it begins."""
    number = 0
    for place, byte in enumerate(view[at : at + 10]):
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number, at + place + 1
    raise ValueError("a number does not end")
