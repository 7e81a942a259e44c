"""What the engine needs of the world, as protocols that adapters meet.

Errors an adapter raises are the ones declared here, so that nothing above knows which library is
below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol


class StorageError(Exception):
    """The disk, or what is on it, cannot be used; the message says why and what to do."""


class LogFailedError(StorageError):
    """A batch could not be made durable; the log takes nothing more until it is opened again."""


class CorruptLogError(StorageError):
    """A record before the end of the log does not match its checksum or its place."""


class Log(Protocol):
    """A partition's ordered, durable records.

    Records are numbered from 1, without gaps: the log sequence number (LSN).
    """

    @property
    def tail(self) -> int:
        """LSN that the next record will get."""

    def read(self, from_lsn: int) -> Iterator[tuple[int, bytes]]:
        """Give the records from ``from_lsn`` on, in order, as far as they are durable.

        Raises:
            CorruptLogError: a record is damaged, or ``from_lsn`` was trimmed.
        """

    def append(self, batch: Sequence[bytes], done: Callable[[LogFailedError | None], None]) -> None:
        """Append records as one write with one sync, off the event loop.

        ``done`` is called on the event loop's thread: with None once the batch is durable, with
        the error when it is not. The next append may start before then; batches become durable
        in order. After an error every further batch fails too.
        """

    def trim(self, upto_lsn: int) -> None:
        """Allow the records up to and including ``upto_lsn`` to be forgotten."""

    def close(self) -> None:
        """Finish what is under way and release the files."""


class StoreView(Protocol):
    """A consistent, unchanging view of a store."""

    def get(self, key: bytes) -> bytes | None:
        """Give the value of a key."""

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Give keys and values from ``start`` on, up to but excluding ``end``, in order."""

    def pages(
        self, start: bytes, end: bytes, *, values: bool = True
    ) -> Iterator[list[tuple[bytes, bytes]]]:
        """Give the same, as many at a time as are well read together: few at first.

        Where values are not wanted, anything may stand in their place.
        """

    def close(self) -> None:
        """Release what the view holds."""


class Batch(Protocol):
    """What one write changes, taken in piece by piece: so the write itself holds up others less.

    It belongs to the store's next write: no other comes in between. One that is given up has
    changed nothing.
    """

    def extend(self, changes: Sequence[tuple[bytes, bytes | None]], /) -> None:
        """Take some more keys, each at most once, to be put or (with None) deleted."""

    def write(self, lsn: int) -> None:
        """Make all these changes in one atomic step that reaches ``lsn``; once, and no more.

        Raises:
            StorageError: nothing was written.
        """


class Store(Protocol):
    """The tables: a fold of the log, as ordered keys and values.

    A write is atomic and not synced: after a crash the store holds all writes up to some one of
    them, and ``applied_lsn`` tells which. No key is empty or begins with a zero byte.
    """

    @property
    def applied_lsn(self) -> int:
        """LSN of the last record whose changes were written; 0 in an empty store."""

    @property
    def durable_lsn(self) -> int:
        """LSN up to which a crash of the machine loses nothing: where the log may be trimmed."""

    def get(self, key: bytes) -> bytes | None:
        """Give the value of a key."""

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Give keys and values from ``start`` on, up to but excluding ``end``, in order."""

    def stage(self, key: bytes, value: bytes) -> Iterator[None]:
        """Write a long value ahead of the write that will put it, a little with each step.

        The next write takes it from there if all steps were made, and it is given this very
        object; otherwise nothing was staged. Nobody can read it before.

        Raises:
            StorageError: it cannot be written; raised by a step.
        """

    def batch(self) -> Batch:
        """Give what takes in the changes of the next write, ahead of it."""

    def write(self, changes: Sequence[tuple[bytes, bytes | None]], lsn: int) -> None:
        """Put (or, with None, delete) keys, each at most once, in one step that reaches ``lsn``."""

    def checkpoint(self) -> None:
        """Make all writes so far durable; may take long and is called off the event loop."""

    def view(self) -> StoreView:
        """Give a consistent view that later writes do not change."""

    def close(self) -> None:
        """Release the files."""


class Document(Protocol):
    """One small versioned document, replaced whole."""

    def load(self) -> tuple[int, bytes] | None:
        """Give version and content, or None if there never was one."""

    def replace(self, expected_version: int, content: bytes) -> int:
        """Put new content in place, durably, and give its version.

        Args:
            expected_version: the version that was read; 0 if there was none.
            content: the new content.

        Raises:
            StorageError: another version is in place, or it cannot be written.
        """


class Clock(Protocol):
    """Time and chance: the only place from where the engine gets them."""

    def now_ms(self) -> int:
        """Give the milliseconds since 1970."""

    def chance(self) -> float:
        """Give a number from 0 up to, but excluding, 1."""

    def random_bytes(self, count: int) -> bytes:
        """Give so many bytes that nobody can guess."""
