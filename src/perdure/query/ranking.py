"""The first rows of an order, kept while a table is scanned.

Of rows that cannot be shown, only the column that orders them is ever read.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import nlargest
from itertools import compress
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from perdure.engine.moment import Order
from perdure.query.columns import Column, Kind
from perdure.query.sieves import Sieve, number_sieve

#: Kinds of columns whose order is that of numbers.
RANKED_KINDS: Final = frozenset({Kind.INSTANT, Kind.UINT32})
#: More rows than this are not ranked: whoever asks for so many gets all there are.
ROWS_MAX: Final = 5_000

#: Rows that are kept beside four times those that are wanted, before some are dropped.
_SPARE: Final = 1024
_LAST: Final = 2**63 - 1


class Top(Struct, frozen=True):
    """Which rows come first, and how many of them are wanted."""

    column: Column
    descending: bool
    nulls_first: bool
    count: int


def order_of(top: Top) -> Order:
    """Say the same in a form that travels."""
    return Order(top.column.name, top.descending, top.nulls_first, top.count)


class Ranking:
    """What may be among the first, of all that was seen.

    What shares the last place is kept: a query may order by more than one column.
    """

    def __init__(self, top: Top) -> None:
        self._top = top
        self._room = 4 * top.count + _SPARE
        self._found: list[Any] = []
        self._scores: list[int] = []
        #: The least score that is worth keeping, once there are enough.
        self._least: int | None = None
        self._sieve: Sieve | None = None

    @property
    def column(self) -> Column:
        """The column that orders."""
        return self._top.column

    def add(self, found: Sequence[Any], values: pa.Array) -> list[Any]:
        """Add what was found, with the values of the column that orders it.

        Returns:
            what is not kept here for lack of room, and may be among the first; mostly nothing.
        """
        scores = self._scored(values)
        if self._least is not None:
            mask = pc.greater_equal(scores, self._least)
            scores, found = scores.filter(mask), list(compress(found, mask.to_pylist()))
        self._found.extend(found)
        self._scores.extend(scores.to_pylist())
        if len(self._found) < self._room:
            return []
        self._prune()
        return self.take() if 2 * len(self._found) > self._room else []

    def promising(self, found: Sequence[Any]) -> Sequence[Any]:
        """Leave out what is told by its bytes not to be among the first."""
        return found if self._sieve is None else self._sieve(found)

    def take(self) -> list[Any]:
        """Give what may be among the first, and keep it no longer."""
        if len(self._found) > self._top.count:
            self._prune()
        taken, self._found, self._scores = self._found, [], []
        return taken

    def _scored(self, values: pa.Array) -> pa.Array:
        """Give numbers that are the greater, the earlier a row comes."""
        top = self._top
        scores = values.cast(pa.int64())
        if not top.descending:
            scores = pc.negate(scores)
        return scores.fill_null(_LAST if top.nulls_first else -_LAST)

    def _prune(self) -> None:
        top = self._top
        least = nlargest(top.count, self._scores)[-1]
        keeps = [score >= least for score in self._scores]
        self._found = list(compress(self._found, keeps))
        self._scores = list(compress(self._scores, keeps))
        self._least = least
        if top.column.place is not None:
            bound = least if top.descending else -least
            self._sieve = number_sieve(top.column.place, bound, least=top.descending)
