"""Groups that are read whole again and again, such as an object's state: small ones are remembered.

To look into the store for what may be there takes longer than all else that an attempt on an object
does there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from typing_extensions import override

from perdure.core.tables.groups import GroupTable
from perdure.core.tables.recent import Recent

#: Groups that are remembered at the least; at most it is twice as many.
GROUPS_REMEMBERED: Final = 2048
#: How many rows a group has that is small, and how long these are, with their keys, in bytes.
ROWS_MAX: Final = 8
ROW_BYTES_MAX: Final = 256


class SmallGroups(GroupTable[bytes]):
    """Rows in groups, of which those that were read lately, and are small, need no store."""

    __slots__ = ("_known", "_older")

    def __init__(
        self,
        reader: Recent,
        tag: bytes,
        encode: Callable[[bytes], bytes],
        decode: Callable[[bytes], bytes],
    ) -> None:
        super().__init__(reader, tag, encode, decode)
        #: All rows of some groups, as they are now: stored, and changed since.
        self._known: dict[bytes, dict[bytes, bytes]] = {}
        self._older: dict[bytes, dict[bytes, bytes]] = {}

    @override
    def put(self, group: bytes, key: bytes, row: bytes | None) -> None:
        """Write one row of a group; None removes it."""
        super().put(group, key, row)
        known = self._recall(group)
        if known is None:
            return
        if row is None:
            known.pop(key, None)
            return
        known[key] = row
        if len(known) > ROWS_MAX or len(key) + len(row) > ROW_BYTES_MAX:
            del self._known[group]

    @override
    def drop(self, group: bytes) -> None:
        """Remove all rows of a group."""
        super().drop(group)
        known = self._recall(group)
        if known is not None:
            known.clear()

    @override
    def paged(self, group: bytes, size: int) -> Iterator[tuple[bytes, bytes]]:
        """Give the rows of a group in order, reading ``size`` at once if they are not known."""
        known = self._recall(group)
        if known is not None:
            return iter(sorted(known.items()))
        rows = self.page(group, b"", size)
        if len(rows) == size:
            return super().paged(group, size)
        if len(rows) <= ROWS_MAX and all(len(key) + len(row) <= ROW_BYTES_MAX for key, row in rows):
            self._learn(group, dict(rows))
        return iter(rows)

    def _recall(self, group: bytes) -> dict[bytes, bytes] | None:
        """Give all rows of a group, if they are known."""
        known = self._known.get(group)
        if known is None and (known := self._older.pop(group, None)) is not None:
            self._learn(group, known)
        return known

    def _learn(self, group: bytes, rows: dict[bytes, bytes]) -> None:
        """Remember a group, and forget others if there are many."""
        if len(self._known) >= GROUPS_REMEMBERED:
            self._older, self._known = self._known, {}
        self._known[group] = rows
