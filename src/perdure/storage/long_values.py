"""Long values, in pieces: written a little at a time, ahead of the write that puts their row.

A write of 30 MiB would hold up the event loop for as long as it takes. So a long value can be
staged: its pieces are written one by one, with whatever the loop does between two of them. They
count only once the row's own write, which is atomic, names them in the index and puts an empty row
where the value belongs. Pieces that the index does not name are what a crash has left; they are
deleted when the store is opened.

Keys that begin with a zero byte are no table's::

    00 | "p" | number of the value (8) | number of the piece (4)    a piece
    00 | "v" | key of the row    number of the value (8), how many pieces (4)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from struct import Struct
from typing import Final, NamedTuple

import rocksdict

from perdure.engine.ports import StoreView
from perdure.storage.rocks_batch import RocksBatch
from perdure.storage.rocks_errors import StoreFailedError, translated

PIECE_BYTES: Final = 1 << 20
#: Memtables that wait for the disk: with one more than this, a write might have to wait, too.
_WAITING_MAX: Final = 1

_PIECE: Final = b"\x00p"
_INDEX: Final = b"\x00v"
_PIECES_END: Final = b"\x00q"
_INDEX_END: Final = b"\x00w"
_NUMBERS: Final = Struct(">QI")
_NUMBER_BYTES: Final = 8

Row = tuple[bytes, bytes]


class Pieces(NamedTuple):
    """Where a value is: so many pieces under one number."""

    number: int
    size: int


class _Staged:
    """A value on its way."""

    __slots__ = ("complete", "count", "key", "number", "value")

    def __init__(self, number: int, key: bytes, value: bytes) -> None:
        self.number = number
        self.key = key
        self.value = value
        #: Pieces that were written.
        self.count = 0
        self.complete = False


class LongValues:
    """The long values of a store.

    Args:
        database: the store's, open and in raw mode.
    """

    def __init__(self, database: rocksdict.Rdict) -> None:
        self._db = database
        #: Rows whose value is in pieces. Views share it: it is replaced, and never changed.
        self.index: Mapping[bytes, Pieces] = dict(_read_index(database))
        #: What was written since the last write of the store, or is on its way.
        self._staged: list[_Staged] = []
        self._next = self._delete_orphans()

    def read(self, key: bytes) -> bytes:
        """Give the value of a row that the index names."""
        return _joined([self._db.get(piece) for piece in _piece_keys(self.index[key])])

    def view(self) -> PiecesView:
        """Give the long values as they are now, whatever is written later."""
        return PiecesView(self._db.iter(), self.index)

    def stage(self, key: bytes, value: bytes) -> Iterator[None]:
        """Write the pieces of a value, one a step, until the store's next write."""
        staged = _Staged(self._next, key, value)
        self._next += 1
        self._staged.append(staged)
        for start in range(0, len(value), PIECE_BYTES):
            while self._congested():
                yield
            if staged not in self._staged:
                return  # a write came first, and took the value as a whole
            batch = rocksdict.WriteBatch(raw_mode=True)
            batch.put(_piece_key(staged.number, staged.count), value[start : start + PIECE_BYTES])
            staged.count += 1
            self._db.write(batch)
            yield
        staged.complete = True

    def settle(self, batch: RocksBatch) -> dict[bytes, Pieces]:
        """Put rows into a write that were staged for it, and delete what it makes superfluous.

        Gives the rows that were put; call :meth:`settled` with them when the write is made.
        """
        assert batch.index is self.index, "no other write comes between a batch and its own"
        rows = batch.rows
        for key in batch.replaced:
            rows.delete(_INDEX + key)
            _delete(rows, self.index[key])
        put: dict[bytes, Pieces] = {}
        for staged in self._staged:
            pieces = Pieces(staged.number, staged.count)
            if staged.complete and batch.long.get(staged.key) is staged.value:
                rows.put(staged.key, b"")
                rows.put(_INDEX + staged.key, _NUMBERS.pack(*pieces))
                put[staged.key] = pieces
            else:
                _delete(rows, pieces)
        return put

    def settled(self, batch: RocksBatch, put: dict[bytes, Pieces]) -> None:
        """Take note that a write was made."""
        if batch.replaced or put:
            kept = {key: pieces for key, pieces in self.index.items() if key not in batch.replaced}
            self.index = kept | put
        self._staged.clear()

    def _congested(self) -> bool:
        """Tell whether the disk is behind, so that a write might have to wait for it."""
        waiting = self._db.property_int_value("rocksdb.num-immutable-mem-table")
        return waiting is not None and waiting > _WAITING_MAX

    def _delete_orphans(self) -> int:
        """Delete the pieces that no row names; give the first number that is free."""
        living = {pieces.number for pieces in self.index.values()}
        batch = rocksdict.WriteBatch(raw_mode=True)
        number = -1
        for number in _numbers(self._db):
            if number not in living:
                batch.delete_range(_piece_key(number, 0), _piece_key(number + 1, 0))
        if not batch.is_empty():
            self._db.write(batch)
        return number + 1


class PiecesView:
    """Long values as they were at one moment.

    Args:
        cursor: was made at that moment, and is used by nobody else.
        index: the rows whose value was in pieces then.
    """

    def __init__(self, cursor: rocksdict.RdictIter, index: Mapping[bytes, Pieces]) -> None:
        self._cursor = cursor
        self.index = index

    def read(self, key: bytes) -> bytes:
        """Give the value of a row that the index names.

        Raises:
            StoreFailedError: it cannot be read.
        """
        number, size = self.index[key]
        cursor = self._cursor
        found = []
        try:
            cursor.seek(_piece_key(number, 0))
            for _ in range(size):
                found.append(cursor.value())
                cursor.next()
            cursor.status()
        except Exception as error:  # the library knows but one kind
            raise translated("read", error) from error
        return _joined(found)

    def fill(self, rows: Iterator[Row]) -> Iterator[Row]:
        """Put long values where they belong.

        Raises:
            StoreFailedError: one cannot be read.
        """
        index = self.index
        for key, value in rows:
            yield key, self.read(key) if not value and key in index else value


class WholeView:
    """The port :class:`perdure.engine.ports.StoreView` with long values where they belong.

    Args:
        view: shows rows as they are stored.
        long: the store's long values.
    """

    def __init__(self, view: StoreView, long: LongValues) -> None:
        self._view = view
        self._long: PiecesView | None = long.view()

    def get(self, key: bytes) -> bytes | None:
        """Give the value of a key."""
        value = self._view.get(key)
        return value if value is None else self._whole(key, value)

    def scan(self, start: bytes, end: bytes) -> Iterator[Row]:
        """Give keys and values from ``start`` on, up to but excluding ``end``, in order."""
        return chain.from_iterable(self.pages(start, end))

    def pages(self, start: bytes, end: bytes, *, values: bool = True) -> Iterator[list[Row]]:
        """Give the same, as many at a time as are well read together."""
        if not values:
            yield from self._view.pages(start, end, values=False)
            return
        for page in self._view.pages(start, end):
            yield from self._whole_pages(page)

    def close(self) -> None:
        """Let the store forget what later writes replaced."""
        self._view.close()
        self._long = None

    def _whole_pages(self, page: list[Row]) -> Iterator[list[Row]]:
        """Cut a page behind each long value: few of them are a lot of memory."""
        if b"" not in [value for _, value in page]:
            yield page  # no row is empty: queries read a million of these
            return
        rows: list[Row] = []
        for key, value in page:
            whole = self._whole(key, value)
            rows.append((key, whole))
            if whole is not value:
                yield rows
                rows = []
        if rows:
            yield rows

    def _whole(self, key: bytes, value: bytes) -> bytes:
        long = self._long
        if value or long is None or key not in long.index:
            return value
        return long.read(key)


def _piece_key(number: int, index: int) -> bytes:
    return _PIECE + _NUMBERS.pack(number, index)


def _piece_keys(pieces: Pieces) -> list[bytes]:
    return [_piece_key(pieces.number, index) for index in range(pieces.size)]


def _joined(found: Sequence[bytes | None]) -> bytes:
    pieces = [piece for piece in found if piece is not None]
    if len(pieces) < len(found):
        raise StoreFailedError(
            f"of {len(found)} pieces of a long value {len(found) - len(pieces)} are missing: the "
            "store is damaged, restore it and the log from the same backup"
        )
    return b"".join(pieces)


def _delete(batch: rocksdict.WriteBatch, pieces: Pieces) -> None:
    for key in _piece_keys(pieces):
        batch.delete(key)


def _read_index(database: rocksdict.Rdict) -> Iterator[tuple[bytes, Pieces]]:
    cursor = database.iter()
    cursor.seek(_INDEX)
    while cursor.valid() and (key := cursor.key()) < _INDEX_END:
        yield key[len(_INDEX) :], Pieces(*_NUMBERS.unpack(cursor.value()))
        cursor.next()
    cursor.status()


def _numbers(database: rocksdict.Rdict) -> Iterator[int]:
    """Give the numbers under which there are pieces, in order; one look for each."""
    cursor = database.iter()
    cursor.seek(_PIECE)
    while cursor.valid() and (key := cursor.key()) < _PIECES_END:
        number = int.from_bytes(key[len(_PIECE) : len(_PIECE) + _NUMBER_BYTES])
        yield number
        cursor.seek(_piece_key(number + 1, 0))
    cursor.status()
