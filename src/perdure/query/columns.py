"""Declarations of tables: columns with their types, what they mean, and how a row gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import islice
from typing import Any, Final, overload

from msgspec import Struct

from perdure.engine.moment import Moment

#: Rows that are read at a time, where the store does not say. No step on the way of a slice into a
#: batch holds up the interpreter for more than a millisecond.
SLICE_ROWS: Final = 512

#: What the filters of a query leave of a column: its name, and the values that can pass.
Wanted = Mapping[str, frozenset[Any]]


class QueryError(Exception):
    """A query cannot be answered; the message says what to write instead."""


class Kind(Enum):
    """Types of columns, by the names that the documentation gives them."""

    TEXT = "LargeUtf8"
    BOOLEAN = "Boolean"
    UINT32 = "UInt32"
    UINT64 = "UInt64"
    #: Given as milliseconds since 1970.
    INSTANT = 'Timestamp(ms, "+00:00")'
    #: Given as milliseconds.
    SPAN = "Duration(ms)"
    BYTES = "LargeBinary"
    TEXTS = "List(LargeUtf8)"
    NUMBERS = "List(UInt32)"


#: Gives texts, or heads of values, of which one stands in what is stored of a row that has a value.
Traces = Callable[[Any], tuple[bytes, ...]]


class Column(Struct, frozen=True):
    """A column of a table; ``get`` takes it out of a row."""

    name: str
    kind: Kind
    description: str
    get: Callable[[Any], object]
    #: Fields of what is stored that ``get`` looks at; None if it may look at all of them.
    reads: tuple[str, ...] | None = None
    #: All values that it can have, if these are few.
    values: frozenset[str] = frozenset()
    #: What tells of its value in what is stored, which is then found as keys with bytes.
    traces: Traces | None = None
    #: Where its number stands in the bytes of what is stored, if they all have it at one place.
    place: int | None = None


#: Makes rows of what was found, out of which only some columns will be taken.
Reader = Callable[[Sequence[Any]], Sequence[Any]]


def always_null(_row: object) -> None:
    """Give nothing, for what exists in the system whose tables these are but not here."""


class Alike(Sequence[Any]):
    """Rows that say the same, in all columns that are read of them."""

    def __init__(self, row: object, count: int) -> None:
        self.row = row
        self._count = count

    def __len__(self) -> int:
        """Count the rows."""
        return self._count

    @overload
    def __getitem__(self, place: int) -> Any: ...

    @overload
    def __getitem__(self, place: slice) -> Alike: ...

    def __getitem__(self, place: int | slice) -> Any:
        """Give one of the rows, or some."""
        places = range(self._count)[place]
        return self.row if isinstance(places, int) else Alike(self.row, len(places))


def as_it_is(found: Sequence[Any]) -> Sequence[Any]:
    """Read nothing: what was found are the rows."""
    return found


def as_found(_moment: Moment, _columns: Sequence[Column]) -> Reader:
    """Give what reads nothing."""
    return as_it_is


def no_keys(_moment: Moment, _wanted: Wanted, _fields: frozenset[str]) -> None:
    """Say that keys alone do not do."""


class Table(Struct, frozen=True):
    """A table: what is stored is found first, and then read as far as a query needs it."""

    name: str
    description: str
    columns: tuple[Column, ...]
    #: Gives what is stored, in slices; may leave out what is not wanted.
    find: Callable[[Moment, Wanted], Iterator[Sequence[Any]]]
    #: Gives what reads these columns.
    reader: Callable[[Moment, Sequence[Column]], Reader] = as_found
    #: Gives what is stored with its keys alone, if these tell the fields that columns look at.
    find_keys: Callable[[Moment, Wanted, frozenset[str]], Iterator[Sequence[Any]] | None] = no_keys
    #: Whether its rows are the whole server's; else each partition has rows of its own.
    shared: bool = False

    def column(self, name: str) -> Column:
        """Give a column by its name, which exists."""
        return next(column for column in self.columns if column.name == name)


def fields_of(columns: Iterable[Column]) -> frozenset[str] | None:
    """Give the fields of what is stored that these columns look at; None if that may be all."""
    found: set[str] = set()
    for column in columns:
        if column.get is always_null:
            continue
        if column.reads is None:
            return None
        found.update(column.reads)
    return frozenset(found)


def sliced(rows: Iterable[Any], size: int = SLICE_ROWS) -> Iterator[list[Any]]:
    """Cut rows into slices."""
    left = iter(rows)
    while piece := list(islice(left, size)):
        yield piece
