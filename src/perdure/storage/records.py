"""Records that are durable, numbered from 1: what a log is without anything asynchronous.

Logs (in a thread, or told by a test when to write) stand on this protocol, the layouts below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from perdure.engine.ports import CorruptLogError, LogFailedError

#: Told how the append of a batch ended.
Done = Callable[[LogFailedError | None], None]
#: A batch that waits for its commit.
Append = tuple[Sequence[bytes], Done]


@dataclass(slots=True)
class Counters:
    """What was written since the records were opened, seals included."""

    syncs: int = 0
    records: int = 0
    bytes_written: int = 0


class Records(Protocol):
    """Durable records. One thread at a time appends and closes, one trims; any may read."""

    @property
    def counters(self) -> Counters:
        """What was written since the records were opened."""

    @property
    def tail(self) -> int:
        """LSN that the next record will get; all before it are durable."""

    def append(self, records: Sequence[bytes]) -> None:
        """Make records durable.

        Raises:
            LogFailedError: they are not durable, and nothing further will be.
        """

    def begin(self, records: Sequence[bytes], done: Done) -> bool:
        """Begin to make records durable, in the event loop's thread, where that takes no time.

        Until ``done`` is called nothing may be appended and nothing closed. False if nothing was
        begun; ``append`` then does what is to be done, or says what is wrong.
        """

    def read(self, from_lsn: int) -> Iterator[tuple[int, bytes]]:
        """Give the records from ``from_lsn`` up to the tail as it is now.

        Raises:
            CorruptLogError: a record is damaged, or ``from_lsn`` was trimmed.
            StorageError: the disk cannot be read.
        """

    def trim(self, upto_lsn: int) -> None:
        """Allow the records up to and including ``upto_lsn`` to be forgotten.

        Raises:
            StorageError: some could not be forgotten; they are still readable.
        """

    def close(self) -> None:
        """Release what is held."""


def joined(appends: Sequence[Append]) -> Sequence[bytes]:
    """Give the records of all batches."""
    if len(appends) == 1:
        return appends[0][0]
    return list(chain.from_iterable(batch for batch, _ in appends))


def commit(records: Records, appends: Sequence[Append]) -> LogFailedError | None:
    """Make all batches that gathered durable at once; give the error if they are not."""
    try:
        records.append(joined(appends))
    except LogFailedError as error:
        return error
    return None


def tell(appends: Sequence[Append], error: LogFailedError | None) -> None:
    """Say how the commit ended, in the order of the appends."""
    for _, done in appends:
        done(error)


def read_issued(records: Records, from_lsn: int, tail: int) -> Iterator[tuple[int, bytes]]:
    """Read durable records from an LSN that was given out, be it durable yet or not.

    Raises:
        CorruptLogError: a record is damaged or was trimmed, or the log ends before ``from_lsn``.
    """
    if from_lsn > tail:
        raise CorruptLogError(
            f"the log ends before record {tail}, but the store has seen up to {from_lsn - 1}: log "
            "and store do not belong together. Restore both from the same backup"
        )
    return records.read(from_lsn)


def closed_error() -> LogFailedError:
    """Make the error of an append that comes after the close."""
    return LogFailedError("the log was closed: open it again to append")
