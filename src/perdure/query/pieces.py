"""A partition's part of a table, read for a query that is answered elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock
from typing import Final

from perdure.engine.moment import Moment, Search
from perdure.query.dataset import Reading, Source
from perdure.query.filters import read_written
from perdure.query.ranking import Top
from perdure.query.tables.catalog import TABLES

#: A piece of a batch; a longer one would hold up what else the processes tell each other.
PIECE_BYTES: Final = 1024 * 1024

#: Bytes of a batch, and whether they are the last of it.
Piece = tuple[bytes, bool]


def pieces(moment: Moment, gate: Lock, search: Search) -> Iterator[Piece]:
    """Read what a query looks for, as batches that Arrow serializes, in pieces.

    Args:
        moment: what is read.
        gate: held while rows are read.
        search: what the query looks for.
    """
    table, order = TABLES[search.table], search.order
    top = None
    if order is not None:
        column = table.column(order.column)
        top = Top(column, order.descending, order.nulls_first, order.count)
    shown = tuple(map(table.column, search.columns))
    filter_ = None if search.filter is None else read_written(search.filter)
    for batch in Reading(table, Source(moment, gate, top), shown, filter_).batches():
        yield from _cut(memoryview(batch.serialize()))


def _cut(data: memoryview) -> Iterator[Piece]:
    for start in range(0, len(data), PIECE_BYTES):
        end = start + PIECE_BYTES
        yield bytes(data[start:end]), end >= len(data)
