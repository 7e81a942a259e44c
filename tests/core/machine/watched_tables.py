"""A store in memory, and tables over it that refuse a change of status which is not legal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from perdure.core.model.invocations import LEGAL, Invocation
from perdure.core.tables.changes import Change, RowTable
from perdure.core.tables.tables import Tables


class MemoryStore:
    """Ordered bytes."""

    def __init__(self) -> None:
        self.held: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.held.get(key)

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        keys = sorted(key for key in self.held if start <= key < end)
        return ((key, self.held[key]) for key in keys)

    def write(self, changes: Sequence[Change]) -> None:
        for key, value in changes:
            if value is None:
                self.held.pop(key, None)
            else:
                self.held[key] = value


class WatchedRows(RowTable[Invocation]):
    """The table of invocations, which sees to it that statuses change only as they may."""

    __slots__ = ()

    def put(self, key: bytes, row: Invocation) -> None:
        self._check(key, row)
        super().put(key, row)

    def insert(self, key: bytes, row: Invocation) -> None:
        self._check(key, row)
        super().insert(key, row)

    def delete(self, key: bytes) -> None:
        self._check(key, None)
        super().delete(key)

    def _check(self, key: bytes, row: Invocation | None) -> None:
        before = self.get(key)
        old = None if before is None else before.status
        new = None if row is None else row.status
        old_type = None if old is None else type(old)
        new_type = None if new is None else type(new)
        assert old == new or new_type in LEGAL[old_type], f"{old} may not become {new}"


class WatchedTables(Tables):
    """Tables whose invocations are watched."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        plain = self.invocations
        self.invocations = WatchedRows(self._recent, plain.tag, plain._encode, plain._decode)
        self._rows = tuple(self.invocations if table is plain else table for table in self._rows)
