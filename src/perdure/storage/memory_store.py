"""The store in memory: the reference for what a store does.

A dictionary, and its keys in order. A view shares both; the first write after a view was taken goes
to copies, so that a view costs nothing where nothing is written.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final

#: Rows that a view gives at a time.
PAGE_ROWS: Final = 1024


class MemoryStore:
    """The port :class:`perdure.engine.ports.Store` in memory."""

    def __init__(self) -> None:
        self._rows = Rows()
        self._viewed = False
        self._applied_lsn = 0
        self._durable_lsn = 0

    @property
    def applied_lsn(self) -> int:
        """LSN of the last record whose changes were written; 0 in an empty store."""
        return self._applied_lsn

    @property
    def durable_lsn(self) -> int:
        """LSN that the last checkpoint reached."""
        return self._durable_lsn

    def get(self, key: bytes) -> bytes | None:
        """Give the value of a key."""
        return self._rows.get(key)

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Give the rows from ``start`` up to but excluding ``end``, as they are now, in order."""
        return self._rows.scan(start, end)

    def stage(self, _key: bytes, _value: bytes) -> Iterator[None]:
        """Do nothing ahead of a write: memory keeps a value as it is."""
        return iter(())

    def batch(self) -> MemoryBatch:
        """Give what takes in the changes of the next write, ahead of it."""
        return MemoryBatch(self.write)

    def write(self, changes: Sequence[tuple[bytes, bytes | None]], lsn: int) -> None:
        """Put (or, with None, delete) rows in one atomic step that reaches ``lsn``."""
        if self._viewed:
            self._rows = self._rows.copy()
            self._viewed = False
        for key, value in changes:
            if value is None:
                self._rows.delete(key)
            else:
                self._rows.put(key, value)
        self._applied_lsn = lsn

    def checkpoint(self) -> None:
        """Count all writes so far as durable."""
        self._durable_lsn = self._applied_lsn

    def view(self) -> MemoryView:
        """Give a consistent view that later writes do not change."""
        self._viewed = True
        return MemoryView(self._rows)

    def close(self) -> None:
        """Keep everything: whoever has the store can go on with it."""


class MemoryBatch:
    """The port :class:`perdure.engine.ports.Batch` in memory.

    Args:
        write: makes the write.
    """

    def __init__(self, write: Callable[[list[tuple[bytes, bytes | None]], int], None]) -> None:
        self._write = write
        self._changes: list[tuple[bytes, bytes | None]] = []

    def extend(self, changes: Sequence[tuple[bytes, bytes | None]], /) -> None:
        """Take some more changes."""
        self._changes.extend(changes)

    def write(self, lsn: int) -> None:
        """Make all these changes in one atomic step that reaches ``lsn``."""
        self._write(self._changes, lsn)


class MemoryView:
    """The port :class:`perdure.engine.ports.StoreView` on rows that are not written any more."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def get(self, key: bytes) -> bytes | None:
        """Give the value of a key."""
        return self._rows.get(key)

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Give the rows from ``start`` up to but excluding ``end``, in order."""
        return self._rows.scan(start, end)

    def pages(
        self,
        start: bytes,
        end: bytes,
        *,
        values: bool = True,  # noqa: ARG002 - they cost nothing here
    ) -> Iterator[list[tuple[bytes, bytes]]]:
        """Give the same, some at a time."""
        rows = self.scan(start, end)
        while page := list(islice(rows, PAGE_ROWS)):
            yield page

    def close(self) -> None:
        """Do nothing: memory is released with the view."""


class Rows:
    """Keys with their values, in the order of the keys."""

    def __init__(
        self, keys: Sequence[bytes] = (), values: dict[bytes, bytes] | None = None
    ) -> None:
        self._keys = list(keys)
        self._values = dict(values or {})

    def get(self, key: bytes) -> bytes | None:
        """Give the value of a key."""
        return self._values.get(key)

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Give the rows from ``start`` up to but excluding ``end``, as they are now."""
        keys, values = self._keys, self._values
        first = bisect_left(keys, start)
        last = bisect_left(keys, end, first)
        return iter([(key, values[key]) for key in keys[first:last]])

    def put(self, key: bytes, value: bytes) -> None:
        """Set the value of a key."""
        if key not in self._values:
            insort(self._keys, key)
        self._values[key] = value

    def delete(self, key: bytes) -> None:
        """Take a key away, if it is there."""
        if self._values.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]

    def copy(self) -> Rows:
        """Give rows of their own that hold the same."""
        return Rows(self._keys, self._values)
