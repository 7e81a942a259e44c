"""A log without a thread: what was appended becomes durable when it is told so.

For tests and simulators: on records in memory it is the twin of the log on disk, on segments over
simulated files it is that log itself, under a clock that the simulator holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from perdure.engine.ports import LogFailedError
from perdure.storage.records import (
    Append,
    Counters,
    Done,
    Records,
    closed_error,
    commit,
    read_issued,
    tell,
)


class DirectLog:
    """The port :class:`perdure.engine.ports.Log` over records that are written when told."""

    def __init__(self, records: Records, call_soon: Callable[..., object] | None = None) -> None:
        """Take over open records.

        Args:
            records: where to write; nobody else does.
            call_soon: is given the commit whenever a first batch has gathered (an event loop's
                ``call_soon``, a simulator's scheduler). Without it, call ``commit`` yourself.
        """
        self._records = records
        self._call_soon = call_soon
        self._tail = records.tail
        self._gathered: list[Append] = []
        self._failure: LogFailedError | None = None
        self._closed = False

    @property
    def counters(self) -> Counters:
        """What was written since the log was opened."""
        return self._records.counters

    @property
    def tail(self) -> int:
        """LSN that the next record will get."""
        return self._tail

    @property
    def waiting(self) -> int:
        """Number of batches that wait for their commit."""
        return len(self._gathered)

    def read(self, from_lsn: int) -> Iterator[tuple[int, bytes]]:
        """Give the records from ``from_lsn`` on, in order, as far as they are durable now.

        Raises:
            CorruptLogError: a record is damaged or was trimmed, or the log ends before it.
        """
        return read_issued(self._records, from_lsn, self._tail)

    def append(self, batch: Sequence[bytes], done: Done) -> None:
        """Take a batch for the next commit, which calls ``done``."""
        if not self._closed:
            self._tail += len(batch)
        self._gathered.append((batch, done))
        if self._call_soon and len(self._gathered) == 1:
            self._call_soon(self.commit)

    def commit(self) -> None:
        """Make durable what has gathered, and tell whoever appended it."""
        appends, self._gathered = self._gathered, []
        if appends and self._failure is None:
            self._failure = commit(self._records, appends)
        tell(appends, self._failure)

    def trim(self, upto_lsn: int) -> None:
        """Allow the records up to and including ``upto_lsn`` to be forgotten."""
        self._records.trim(upto_lsn)

    def close(self) -> None:
        """Commit what has gathered and release the records."""
        if not self._closed:
            self.commit()
            self._closed = True
            self._failure = self._failure or closed_error()
            self._records.close()
