"""A table as the SQL engine sees it: a data set with projection and filters pushed down.

A scan decodes slice by slice: columns that filters look at, and of rows that pass what else the
query shows. Slices of all scans of all queries are decoded one at a time (``gate``): a
view has one cursor, and of the interpreter the queries take no more than one thread's share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from msgspec import Struct

from perdure.engine.moment import Moment
from perdure.query.columns import Column, Kind, Table
from perdure.query.filters import Node, columns_of, mask_of, read_filter, wanted_of

#: Text is small text inside, of which alone the SQL engine hands down lists; answers widen it.
_TYPES: Final = {
    Kind.TEXT: pa.string(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.UINT32: pa.uint32(),
    Kind.UINT64: pa.uint64(),
    Kind.INSTANT: pa.timestamp("ms", "+00:00"),
    Kind.SPAN: pa.duration("ms"),
    Kind.BYTES: pa.large_binary(),
    Kind.TEXTS: pa.list_(pa.large_string()),
    Kind.NUMBERS: pa.list_(pa.uint32()),
}
#: The largest instant and duration that Arrow can tell, in milliseconds.
_INT64_MAX: Final = 2**63 - 1


class Source(Struct, frozen=True):
    """What scans of a table read, and how they may."""

    table: Table
    moment: Moment
    #: Held while rows are decoded.
    gate: Lock
    #: Hears why a scan failed, before that is raised through the SQL engine.
    refuse: Callable[[Exception], None]


class TableData(ds.Dataset):  # type: ignore[misc]  # the library has no types
    """A table at a moment."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        return _schema(self._source.table.columns)

    def get_fragments(self, filter: pc.Expression | None = None) -> list[TableData]:  # noqa: A002, ARG002 - as the library calls it
        """Give the parts that are scanned side by side: one."""
        return [self]

    def scanner(
        self,
        _schema: pa.Schema | None = None,
        *,
        columns: Sequence[str] | None = None,
        filter: pc.Expression | None = None,  # noqa: A002 - as the library calls it
        **_options: Any,
    ) -> Scan:
        """Give a scan of some columns of the rows that pass a filter."""
        table = self._source.table
        names = self.schema.names if columns is None else columns
        return Scan(self._source, tuple(table.column(name) for name in names), filter)


class Scan:
    """One reading of a table."""

    def __init__(
        self, source: Source, shown: tuple[Column, ...], expression: pc.Expression | None
    ) -> None:
        self.projected_schema = _schema(shown)
        self._source = source
        self._shown = shown
        self._filter: Node | None = None if expression is None else read_filter(expression)
        tested = set() if self._filter is None else columns_of(self._filter)
        self._tested = tuple(column for column in source.table.columns if column.name in tested)

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """Give the rows; whoever needs no more of them just stops asking."""
        source = self._source
        wanted = {} if self._filter is None else wanted_of(self._filter)
        try:
            slices = source.table.rows(source.moment, wanted)
            while (batch := self._next(slices)) is not None:
                yield batch
        except Exception as error:
            source.refuse(error)
            raise

    def _next(self, slices: Iterator[Sequence[Any]]) -> pa.RecordBatch | None:
        """Build the next batch with rows that pass; None at the end."""
        while True:
            with self._source.gate:
                rows = next(slices, None)
                if rows is None:
                    return None
                batch = self._batch(rows)
            if batch.num_rows:
                return batch

    def _batch(self, rows: Sequence[Any]) -> pa.RecordBatch:
        """Build a batch of the rows that pass."""
        if self._filter is None:
            return _batch(self._shown, rows, {})
        tested = _batch(self._tested, rows, {})
        mask = mask_of(self._filter, tested)
        passing = tested.filter(mask)
        if passing.num_rows < len(rows):
            rows = [row for row, passes in zip(rows, mask.to_pylist(), strict=True) if passes]
        known = {column.name: passing.column(column.name) for column in self._tested}
        return _batch(self._shown, rows, known)


def _schema(columns: Sequence[Column]) -> pa.Schema:
    return pa.schema([(column.name, _TYPES[column.kind]) for column in columns])


def _batch(
    columns: Sequence[Column], rows: Sequence[Any], known: dict[str, pa.Array]
) -> pa.RecordBatch:
    """Take columns out of rows, unless they are known already."""
    if not columns:
        # Rows without columns are still counted.
        return pa.RecordBatch.from_struct_array(pa.array([{}] * len(rows), pa.struct([])))
    arrays = [
        known[column.name] if column.name in known else _array(column, rows) for column in columns
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=_schema(columns))


def _array(column: Column, rows: Sequence[Any]) -> pa.Array:
    get = column.get
    values: list[Any] = [get(row) for row in rows]
    if column.kind in (Kind.INSTANT, Kind.SPAN):
        values = [None if value is None else min(value, _INT64_MAX) for value in values]
    return pa.array(values, _TYPES[column.kind])
