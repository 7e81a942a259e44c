"""A log in memory: the reference for what a log on a disk does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from perdure.engine.ports import CorruptLogError, LogFailedError
from perdure.storage.direct_log import DirectLog
from perdure.storage.records import Counters, Done


class MemoryLog(DirectLog):
    """A log that lasts as long as its records, in memory."""

    def __init__(
        self,
        call_soon: Callable[..., object] | None = None,
        *,
        records: MemoryRecords | None = None,
    ) -> None:
        """Begin empty, or go on with the records of a log that was closed or abandoned.

        Args:
            call_soon: see :class:`DirectLog`.
            records: what the log holds.
        """
        super().__init__(MemoryRecords() if records is None else records, call_soon)


class MemoryRecords:
    """Durable as long as the object is: a log that is opened again gets the same one."""

    def __init__(self) -> None:
        self._first_lsn = 1
        self._records: list[bytes] = []
        self._failure: str | None = None
        self._counters = Counters()

    @property
    def counters(self) -> Counters:
        """What was written."""
        return self._counters

    @property
    def tail(self) -> int:
        """LSN that the next record will get."""
        return self._first_lsn + len(self._records)

    def append(self, records: Sequence[bytes]) -> None:
        """Keep records.

        Raises:
            LogFailedError: ``fail`` was called.
        """
        if self._failure:
            raise LogFailedError(self._failure)
        self._records.extend(records)
        self._counters.syncs += 1
        self._counters.records += len(records)
        self._counters.bytes_written += sum(map(len, records))

    def begin(self, _records: Sequence[bytes], _done: Done) -> bool:
        """Begin nothing: there is no disk that could do it in the background."""
        return False

    def read(self, from_lsn: int) -> Iterator[tuple[int, bytes]]:
        """Give the records from ``from_lsn`` up to the tail as it is now.

        Raises:
            CorruptLogError: ``from_lsn`` was trimmed.
        """
        if from_lsn < self._first_lsn:
            raise CorruptLogError(
                f"record {from_lsn} was asked for, but the log begins with {self._first_lsn}"
            )
        return iter(list(enumerate(self._records[from_lsn - self._first_lsn :], from_lsn)))

    def trim(self, upto_lsn: int) -> None:
        """Forget the records up to and including ``upto_lsn``."""
        count = max(0, min(upto_lsn + 1, self.tail) - self._first_lsn)
        del self._records[:count]
        self._first_lsn += count

    def close(self) -> None:
        """Keep everything, for a log that opens the same records."""

    def fail(self, reason: str) -> None:
        """Refuse everything from now on, as a disk does that is full or broken."""
        self._failure = reason
