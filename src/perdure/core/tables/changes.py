"""Rows by key, over what the store holds: read through, written at the next flush."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Final, Generic, Protocol, TypeVar

R = TypeVar("R")


class Reader(Protocol):
    """Ordered bytes, as the last flush left them."""

    def get(self, key: bytes) -> bytes | None:
        """Give the value of a key."""

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Give keys and values from ``start`` on, up to but excluding ``end``, in order."""


Change = tuple[bytes, bytes | None]


class Gathered(Protocol):
    """Takes changes for one write of the store; a list will do."""

    def extend(self, changes: Sequence[Change], /) -> None:
        """Take some more."""


#: The key of a row.
_first: Final = itemgetter(0)
#: Rows that were encoded before their flush, by their identity, and what came of it.
Ahead = Mapping[int, tuple[object, bytes]]

#: Nothing was encoded before its flush.
NOTHING: Final[Ahead] = {}

#: Rows that are encoded in one step of a flush.
PIECE_ROWS: Final = 1024
#: From this size in the store on, the row that was read last is remembered until the next flush.
LONG_ROW_BYTES: Final = 1024 * 1024


def after_prefix(prefix: bytes) -> bytes:
    """Give the least key that is greater than every key with this prefix."""
    stripped = prefix.rstrip(b"\xff")
    assert stripped, "a table's tag is never 0xff"
    return stripped[:-1] + bytes([stripped[-1] + 1])


class RowTable(Generic[R]):
    """Rows under single keys.

    ``fresh`` holds the keys that were inserted since the last flush: the store does not know them,
    so that removing one leaves nothing to write. Of long rows, the one that was read last is
    remembered: many may ask for it at once, and share it.
    """

    __slots__ = ("_decode", "_encode", "_long", "_reader", "changed", "fresh", "tag")

    def __init__(
        self,
        reader: Reader,
        tag: bytes,
        encode: Callable[[R], bytes],
        decode: Callable[[bytes], R],
    ) -> None:
        self._reader = reader
        self._encode = encode
        self._decode = decode
        self.tag = tag
        self.changed: dict[bytes, R | None] = {}
        self.fresh: set[bytes] = set()
        self._long: dict[bytes, R] = {}

    def get(self, key: bytes) -> R | None:
        """Give the row under a key."""
        changed = self.changed
        if key in changed:
            return changed[key]
        if key in self._long:
            return self._long[key]
        value = self._reader.get(self.tag + key)
        if value is None:
            return None
        row = self._decode(value)
        if len(value) >= LONG_ROW_BYTES:
            self._long = {key: row}
        return row

    def put(self, key: bytes, row: R) -> None:
        """Write a row, new or not."""
        self.changed[key] = row

    def insert(self, key: bytes, row: R) -> None:
        """Write a row under a key that has none."""
        if self.changed.get(key, self) is not None:
            # A key deleted since the last flush may still stand in the store.
            self.fresh.add(key)
        self.changed[key] = row

    def delete(self, key: bytes) -> None:
        """Remove the row under a key, if there is one."""
        if key in self.fresh:
            self.fresh.discard(key)
            del self.changed[key]
        else:
            self.changed[key] = None

    def scan(self, start: bytes, end: bytes, limit: int) -> list[tuple[bytes, R]]:
        """Give up to ``limit`` rows from ``start`` on, up to but excluding ``end``, in order."""
        changed = self.changed
        rows = [
            (key, row) for key, row in changed.items() if row is not None and start <= key < end
        ]
        skip = len(self.tag)
        stored = 0
        for full_key, value in self._reader.scan(self.tag + start, self.tag + end):
            key = full_key[skip:]
            if key in changed:
                continue
            rows.append((key, self._decode(value)))
            stored += 1
            if stored == limit:
                break
        rows.sort(key=_first)
        return rows[:limit]

    def rows_changed(self) -> Iterator[tuple[bytes, R]]:
        """Give the rows that were written since the last flush, with their keys in the store."""
        for key, row in self.changed.items():
            if row is not None:
                yield self.tag + key, row

    def gather(self, changes: Gathered, ahead: Ahead = NOTHING) -> Iterator[None]:
        """Add what changed since the last flush to ``changes``, some rows a step."""
        for piece in encoded(self.tag, iter(self.changed.items()), self._encode, ahead):
            changes.extend(piece)
            yield

    def written(self) -> None:
        """Begin anew: the store has all that was gathered."""
        self.changed = {}
        self.fresh = set()
        self._long = {}


class FrontTable(RowTable[R]):
    """Rows of which the first ones are looked for and removed, again and again.

    The store keeps a mark of what was removed for a long while, and a scan from the beginning walks
    over all of them: it begins where the first row was found the last time.
    """

    #: Before this key there is no row.
    _front = b""

    def put(self, key: bytes, row: R) -> None:
        """Write a row, new or not."""
        self._front = min(self._front, key)
        super().put(key, row)

    def insert(self, key: bytes, row: R) -> None:
        """Write a row under a key that has none."""
        self._front = key if key < self._front else self._front  # noqa: FURB136 - faster than min()
        super().insert(key, row)

    def first(self, end: bytes, limit: int) -> list[tuple[bytes, R]]:
        """Give the first rows, up to ``limit`` of them, before but excluding ``end``, in order."""
        if self._front >= end:
            return []
        rows = self.scan(self._front, end, limit)
        self._front = rows[0][0] if rows else end
        return rows


def encoded(
    tag: bytes,
    rows: Iterator[tuple[bytes, R | None]],
    encode: Callable[[R], bytes],
    ahead: Ahead,
) -> Iterator[list[Change]]:
    """Encode rows of a table, some a step, unless it was done ahead."""
    encode = _encoder(encode, ahead)
    while piece := [
        (tag + key, None if row is None else encode(row)) for key, row in islice(rows, PIECE_ROWS)
    ]:
        yield piece


def _encoder(encode: Callable[[R], bytes], ahead: Ahead) -> Callable[[R], bytes]:
    if not ahead:
        return encode

    def encode_unless_done(row: R) -> bytes:
        done = ahead.get(id(row))
        return encode(row) if done is None else done[1]

    return encode_unless_done
