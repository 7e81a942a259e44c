"""A store for tables, and how their changes come to it."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import settings
from hypothesis import strategies as st

from perdure.core.tables.recent import Recent, Remembering

KEYS = st.sampled_from([b"", b"\x00", b"a", b"a\x00", b"ab", b"b", b"\xff", b"\xff\xff"])
VALUES = st.binary(max_size=2)
LAW = settings(max_examples=60, stateful_step_count=30, deadline=None)


class Store:
    """Ordered bytes that count how often they are asked."""

    def __init__(self) -> None:
        self.held: dict[bytes, bytes] = {b"s": b"before", b"u": b"behind"}
        self.written: list[tuple[bytes, bytes | None]] = []
        #: Where scans began.
        self.starts: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        return self.held.get(key)

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        self.starts.append(start)
        for key in sorted(self.held):
            if start <= key < end:
                yield key, self.held[key]

    def write(self, changes: list[tuple[bytes, bytes | None]]) -> None:
        self.written = changes
        for key, value in changes:
            if value is None:
                self.held.pop(key, None)
            else:
                self.held[key] = value


def drained(table, recent: Recent | None = None) -> list:
    gathered = []
    for _ in table.gather(gathered if recent is None else Remembering(gathered, recent)):
        pass
    table.written()
    return gathered
