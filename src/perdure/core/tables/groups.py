"""Rows in groups that are read together, over what the store holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from operator import itemgetter
from typing import Any, Final, Generic, TypeVar

from perdure.core.tables.changes import NOTHING, Ahead, Gathered, after_prefix, encoded
from perdure.core.tables.recent import Recent

R = TypeVar("R")

#: The key of a row.
_first: Final = itemgetter(0)
#: What has changed in a group in which nothing has.
_UNCHANGED: Final[Mapping[bytes, Any]] = {}
#: Rows up to which it is faster to get each one than to scan, if they are not remembered.
_GOT_MAX: Final = 2


class GroupTable(Generic[R]):
    """Rows in groups that are read together, such as an invocation's journal.

    All keys of a group begin with its name, and no group's name is the beginning of another's.
    """

    __slots__ = ("_decode", "_encode", "_reader", "changed", "count", "tag")

    def __init__(
        self,
        reader: Recent,
        tag: bytes,
        encode: Callable[[R], bytes],
        decode: Callable[[bytes], R],
    ) -> None:
        self._reader = reader
        self._encode = encode
        self._decode = decode
        self.tag = tag
        self.changed: dict[bytes, dict[bytes, R | None]] = {}
        #: Rows changed since the last flush.
        self.count = 0

    def get(self, group: bytes, key: bytes) -> R | None:
        """Give one row of a group."""
        rows = self.changed.get(group)
        if rows is not None and key in rows:
            return rows[key]
        value = self._reader.get(self.tag + group + key)
        return None if value is None else self._decode(value)

    def put(self, group: bytes, key: bytes, row: R | None) -> None:
        """Write one row of a group; None removes it."""
        rows = self.changed.get(group)
        if rows is None:
            self.changed[group] = {key: row}
        else:
            rows[key] = row
        self.count += 1

    def delete(self, group: bytes, key: bytes) -> None:
        """Remove one row of a group."""
        self.put(group, key, None)

    def rows(self, group: bytes, start: bytes = b"") -> list[tuple[bytes, R]]:
        """Give the rows of a group, from the key ``start`` on, in the order of their keys."""
        changed = self.changed.get(group)
        prefix = self.tag + group
        skip = len(prefix)
        stored = self._reader.scan(prefix + start, after_prefix(prefix))
        if changed is None:
            return [(key[skip:], self._decode(value)) for key, value in stored]
        merged = {
            key[skip:]: self._decode(value) for key, value in stored if key[skip:] not in changed
        }
        merged.update(
            (key, row) for key, row in changed.items() if row is not None and key >= start
        )
        return sorted(merged.items(), key=_first)

    def page(self, group: bytes, start: bytes, limit: int) -> list[tuple[bytes, R]]:
        """Give up to ``limit`` rows of a group, from the key ``start`` on, in order."""
        changed = self.changed.get(group, {})
        prefix = self.tag + group
        skip = len(prefix)
        stored = (
            (key[skip:], value)
            for key, value in self._reader.scan(prefix + start, after_prefix(prefix))
            if key[skip:] not in changed
        )
        rows = [(key, self._decode(value)) for key, value in islice(stored, limit)]
        rows.extend((key, row) for key, row in changed.items() if row is not None and key >= start)
        rows.sort(key=_first)
        return rows[:limit]

    def paged(self, group: bytes, size: int) -> Iterator[tuple[bytes, R]]:
        """Give the rows of a group in order, reading ``size`` at once: they may be many."""
        page = self.page(group, b"", size)
        yield from page
        while len(page) == size:
            page = self.page(group, page[-1][0] + b"\x00", size)
            yield from page

    def counted(self, group: bytes, count: int, key: Callable[[int], bytes]) -> list[R]:
        """Give all rows of a group that only grows at its end, knowing how many there are.

        What was written since the last flush follows what is stored, which is not looked for if
        there cannot be any.

        Args:
            group: the group.
            count: how many rows it has.
            key: gives the key of a row by its place in the group, from 0 on.
        """
        written = self.changed.get(group, _UNCHANGED)
        missing = count - len(written)
        stored = self._stored(group, missing, key) if missing > 0 else []
        rows = [row for row in written.values() if row is not None]
        if len(stored) + len(rows) == count:
            return stored + rows
        return [row for _, row in self.rows(group)]  # it was dropped, and has begun anew

    def tail(self, group: bytes, start: int, count: int, key: Callable[[int], bytes]) -> list[R]:
        """Give the rows of a group of :meth:`counted` from one on, knowing how many it has.

        Args:
            group: the group.
            start: the place of the first row that is wanted.
            count: how many rows the group has.
            key: gives the key of a row by its place in the group, from 0 on.
        """
        written = self.changed.get(group, _UNCHANGED)
        rows = [row for row in written.values() if row is not None]
        if count - start <= len(rows):
            return rows[len(rows) - (count - start) :]
        return [row for _, row in self.rows(group, key(start))]

    def _stored(self, group: bytes, count: int, key: Callable[[int], bytes]) -> list[R]:
        """Give the rows of a group that the store holds, supposing that there are so many."""
        decode, reader, prefix = self._decode, self._reader, self.tag + group
        found: Iterable[bytes | None]
        if count <= _GOT_MAX or reader.knows(prefix + key(0)):
            found = [reader.get(prefix + key(place)) for place in range(count)]
        else:
            found = [value for _, value in reader.scan(prefix, after_prefix(prefix))]
        return [decode(value) for value in found if value is not None]

    def drop(self, group: bytes) -> None:
        """Remove all rows of a group."""
        prefix = self.tag + group
        skip = len(prefix)
        stored = self._reader.scan(prefix, after_prefix(prefix))
        self._drop(group, {key[skip:] for key, _ in stored})

    def drop_counted(self, group: bytes, count: int, key: Callable[[int], bytes]) -> None:
        """Remove all rows of a group of :meth:`counted` without looking for them."""
        self._drop(group, {key(place) for place in range(count)})

    def _drop(self, group: bytes, keys: set[bytes]) -> None:
        keys.update(self.changed.get(group, _UNCHANGED))
        if keys:
            # In order, as the rows of a group that begins anew are.
            self.changed[group] = dict.fromkeys(sorted(keys))
            self.count += len(keys)

    def rows_changed(self) -> Iterator[tuple[bytes, R]]:
        """Give the rows that were written since the last flush, with their keys in the store."""
        return ((self.tag + key, row) for key, row in self._all_changed() if row is not None)

    def gather(self, changes: Gathered, ahead: Ahead = NOTHING) -> Iterator[None]:
        """Add what changed since the last flush to ``changes``, some rows a step."""
        for piece in encoded(self.tag, self._all_changed(), self._encode, ahead):
            changes.extend(piece)
            yield

    def written(self) -> None:
        """Begin anew: the store has all that was gathered."""
        self.changed = {}
        self.count = 0

    def _all_changed(self) -> Iterator[tuple[bytes, R | None]]:
        """Give all that changed since the last flush, under its keys in the table."""
        for group, rows in self.changed.items():
            for key, row in rows.items():
                yield group + key, row
