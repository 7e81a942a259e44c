"""A table as the SQL engine sees it: a data set with projection, filters and order pushed down.

A scan reads slice by slice: columns that filters and order look at, and of rows that pass what else
the query shows. Slices of all scans of all queries are read one at a time (``gate``): a view has
one cursor, and of the interpreter the queries take no more than one thread's share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import compress
from threading import Lock
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from msgspec import Struct

from perdure.engine.moment import Moment, Search
from perdure.query.columns import (
    Alike,
    Column,
    Kind,
    Reader,
    Table,
    Wanted,
    as_it_is,
    fields_of,
    sliced,
)
from perdure.query.elsewhere import FarMoment, FarRows
from perdure.query.filters import (
    Node,
    columns_of,
    mask_of,
    read_filter,
    unwanted_of,
    wanted_of,
    write_filter,
)
from perdure.query.ranking import Ranking, Top, order_of
from perdure.query.sieves import trace_sieve

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
_TIMES: Final = frozenset({Kind.INSTANT, Kind.SPAN})
#: The largest instant and duration that Arrow can tell, in milliseconds.
_INT64_MAX: Final = 2**63 - 1


class Source(Struct, frozen=True):
    """What a partition's part of a table is read from, and how."""

    moment: Moment
    #: Held while rows are read.
    gate: Lock
    #: What comes first, if only that can be shown.
    top: Top | None = None


class Sight(Struct, frozen=True):
    """What the scans of a query read."""

    here: Source
    #: Hears why a scan failed, before that is raised through the SQL engine.
    refuse: Callable[[Exception], None]
    #: What other partitions show.
    afar: Sequence[FarMoment] = ()


class TableData(ds.Dataset):  # type: ignore[misc]  # the library has no types
    """A table, of which each query sees a moment of its own."""

    def __init__(self, table: Table) -> None:
        self.table = table
        #: What scans read that begin from now on.
        self.sight: Sight | None = None
        self._schema = _schema(table.columns)
        self._columns = {column.name: column for column in table.columns}

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""
        return self._schema

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
        sight = self.sight
        assert sight is not None, "whoever plans a query says first what it shall see"
        names = self._schema.names if columns is None else columns
        shown = tuple(self._columns[name] for name in names)
        return Scan(shown, partial(_batches, self.table, sight, shown, filter), sight.refuse)


class Passed(Struct, frozen=True):
    """What was found and passes the filter."""

    found: Sequence[Any]
    #: Columns that were read to see that; None if they were not kept.
    known: Mapping[str, pa.Array] | None


class Part:
    """Columns of a table that are read together."""

    def __init__(self, table: Table, source: Source, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._read: Reader = table.reader(source.moment, columns) if columns else as_it_is

    def arrays(self, found: Sequence[Any]) -> dict[str, pa.Array]:
        """Read what was found."""
        rows = self._read(found)
        return {column.name: _array(column, rows) for column in self._columns}


class Scan:
    """A table as the SQL engine means to read it: of two that it makes, it reads one."""

    def __init__(
        self,
        shown: tuple[Column, ...],
        begin: Callable[[], Iterator[pa.RecordBatch]],
        refuse: Callable[[Exception], None],
    ) -> None:
        self.projected_schema = _schema(shown)
        self._begin = begin
        self._refuse = refuse

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """Give the rows; whoever needs no more of them just stops asking."""
        try:
            yield from self._begin()
        except Exception as error:
            self._refuse(error)
            raise


def _batches(
    table: Table, sight: Sight, shown: tuple[Column, ...], expression: pc.Expression | None
) -> Iterator[pa.RecordBatch]:
    """Read a table, wherever there are rows of it."""
    filter_ = None if expression is None else read_filter(expression)
    here = Reading(table, sight.here, shown, filter_).batches()
    if table.shared or not sight.afar:
        return here
    search = Search(
        table.name,
        tuple(column.name for column in shown),
        None if expression is None else write_filter(expression),
        None if sight.here.top is None else order_of(sight.here.top),
    )
    # They read while this one does.
    there = [moment.search(search) for moment in sight.afar]
    return _merged(here, there, partial(_received, schema=_schema(shown)))


def _merged(
    here: Iterator[pa.RecordBatch],
    there: Sequence[FarRows],
    received: Callable[[bytes], pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """Give what comes from elsewhere as soon as it is there, and wait for it at the end only."""
    for batch in here:
        yield batch
        yield from (received(data) for rows in there if rows.ready and (data := rows.take()))
    left = list(there)
    while left:
        for rows in tuple(left):
            if data := rows.take():
                yield received(data)
            else:
                left.remove(rows)


def _received(data: bytes, schema: pa.Schema) -> pa.RecordBatch:
    return pa.ipc.read_record_batch(pa.py_buffer(data), schema)


class Reading:
    """One reading of a table, or of a partition's part of it."""

    def __init__(
        self, table: Table, source: Source, shown: tuple[Column, ...], filter_: Node | None
    ) -> None:
        self._schema = _schema(shown)
        self._table = table
        self._source = source
        self._filter = filter_
        names = set() if self._filter is None else columns_of(self._filter)
        if source.top is not None:
            names.add(source.top.column.name)
        tested = [column for column in table.columns if column.name in names]
        self._fields = fields_of([*tested, *shown])
        self._wanted = {} if self._filter is None else _wanted(self._filter, tested)
        self._sieve = trace_sieve(self._wanted, tested)
        with source.gate:
            self._tested = Part(table, source, tested)
            self._others = Part(table, source, [each for each in shown if each.name not in names])
            #: For what is kept for its place in the order, and only then shown.
            self._shown = Part(table, source, () if source.top is None else shown)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Give the rows."""
        source = self._source
        ranking = None if source.top is None else Ranking(source.top)
        passing = self._passing(ranking)
        for passed in passing if ranking is None else _first(passing, ranking):
            with source.gate:
                batch = self._batch(passed)
            yield batch

    def _passing(self, ranking: Ranking | None) -> Iterator[Passed]:
        """Find what passes the filter, and may be among the first."""
        source = self._source
        slices = self._slices()
        while True:
            with source.gate:
                found = next(slices, None)
                if found is None:
                    return
                if ranking is not None:
                    found = ranking.promising(found)
                passed = self._passed(found)
            if passed.found:
                yield passed

    def _slices(self) -> Iterator[Sequence[Any]]:
        """Find what is stored, without values if nobody looks at them."""
        moment, table = self._source.moment, self._table
        keys = None if self._fields is None else table.find_keys(moment, self._wanted, self._fields)
        return table.find(moment, self._wanted) if keys is None else keys

    def _passed(self, found: Sequence[Any]) -> Passed:
        if self._sieve is not None:
            found = self._sieve(found)
        if not found:
            return Passed((), {})
        known = self._tested.arrays(found)
        if self._filter is None:
            return Passed(found, known)
        mask = mask_of(self._filter, known)
        if isinstance(mask, pa.Scalar):
            return Passed(found, known) if mask.as_py() else Passed((), {})
        passing = pc.sum(mask).as_py() or 0
        if passing == len(found):
            return Passed(found, known)
        if passing == 0:
            return Passed((), {})
        return Passed(
            list(compress(found, mask.to_pylist())),
            {name: array.filter(mask) for name, array in known.items()},
        )

    def _batch(self, passed: Passed) -> pa.RecordBatch:
        schema, found = self._schema, passed.found
        if not schema.names:
            # Rows without columns are still counted.
            none = pa.Array.from_buffers(pa.struct([]), len(found), [None])
            return pa.RecordBatch.from_struct_array(none)
        if passed.known is None:
            arrays = self._shown.arrays(found)
        else:
            arrays = {**passed.known, **self._others.arrays(found)}
        return pa.RecordBatch.from_arrays([arrays[name] for name in schema.names], schema=schema)


def _wanted(node: Node, tested: Sequence[Column]) -> Wanted:
    """Give the columns of which only some values can pass, and these values."""
    wanted, unwanted = dict(wanted_of(node)), unwanted_of(node)
    for column in tested:
        if column.values and column.name not in wanted and column.name in unwanted:
            wanted[column.name] = column.values - unwanted[column.name]
    return wanted


def _first(passing: Iterator[Passed], ranking: Ranking) -> Iterator[Passed]:
    """Keep what may be among the first, to give it at the end."""
    for passed in passing:
        assert passed.known is not None, "the column that orders is read with those of the filter"
        crowded = ranking.add(passed.found, passed.known[ranking.column.name])
        yield from (Passed(found, None) for found in sliced(crowded))
    yield from (Passed(found, None) for found in sliced(ranking.take()))


def _schema(columns: Sequence[Column]) -> pa.Schema:
    return pa.schema([(column.name, _TYPES[column.kind]) for column in columns])


def _array(column: Column, rows: Sequence[Any]) -> pa.Array:
    if isinstance(rows, Alike):
        return pa.repeat(_array(column, [rows.row])[0], len(rows))
    values: list[Any] = list(map(column.get, rows))
    kind = _TYPES[column.kind]
    if column.kind not in _TIMES:
        return pa.array(values, kind)
    try:
        numbers = pa.array(values, pa.int64())
    except OverflowError:
        clipped = [None if value is None else min(value, _INT64_MAX) for value in values]
        numbers = pa.array(clipped, pa.int64())
    # The library takes five times as long to make them at once.
    return numbers.view(kind)
