"""Declarations of tables: columns with their types, what they mean, and how a row gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from itertools import islice
from typing import Any, Final

from msgspec import Struct

from perdure.engine.moment import Moment

#: Rows that are decoded at a time: a slice holds up the interpreter for a few milliseconds at most.
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


class Column(Struct, frozen=True):
    """A column of a table; ``get`` takes it out of a row."""

    name: str
    kind: Kind
    description: str
    get: Callable[[Any], object]


class Table(Struct, frozen=True):
    """A table; ``rows`` gives its rows in slices, and may leave out what is not wanted."""

    name: str
    description: str
    columns: tuple[Column, ...]
    rows: Callable[[Moment, Wanted], Iterator[Sequence[Any]]]

    def column(self, name: str) -> Column:
        """Give a column by its name, which exists."""
        return next(column for column in self.columns if column.name == name)


def always_null(_row: object) -> None:
    """Give nothing, for what exists in the system whose tables these are but not here."""


def sliced(rows: Iterable[Any], size: int = SLICE_ROWS) -> Iterator[list[Any]]:
    """Cut rows into slices."""
    left = iter(rows)
    while piece := list(islice(left, size)):
        yield piece
