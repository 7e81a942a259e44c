"""Flushes: what applied records have changed goes to the store, now and then, in one atomic write.

Encoding takes longer than writing, and is done a little at a time, with nothing applied meanwhile.
Rows that take long by themselves are written ahead, while records go on being applied.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from perdure.core.tables.tables import Tables
from perdure.engine.ports import Batch, StorageError, Store

#: Changed rows that are written to the store in one go: enough to let rows that come and go cancel
#: out, few enough to keep one write under a millisecond or two.
FLUSH_ROWS: Final = 2048
#: Records, in bytes, whose rows are written at the latest: until then they are held in memory.
FLUSH_BYTES: Final = 16 * 1024 * 1024
#: How long rows are encoded in one turn of the loop, in seconds.
ENCODE_S: Final = 0.002
#: Rows from this length on are written ahead of their flush, a piece a turn of the loop.
LONG_ROW_BYTES: Final = 1024 * 1024
#: Records, in bytes, after which no flush waits for that any more.
FLUSH_BYTES_MAX: Final = 128 * 1024 * 1024
#: Between two pieces others have their turn, for so many seconds at least.
PIECE_S: Final = 0.001


class Flusher:
    """Writes the changes of a partition's tables to its store.

    Args:
        tables: what records change.
        store: what the tables stand on.
        complete: sees to it that the tables hold whole records; gives the LSN of the last one.
        failed: is told why the tables could not be written.
    """

    def __init__(
        self,
        tables: Tables,
        store: Store,
        complete: Callable[[], int],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._tables = tables
        self._store = store
        self._complete = complete
        self._failed = failed
        #: Size of the records that were applied since this process started, in bytes.
        self.applied_bytes = 0
        self._flushed_bytes = 0
        #: The flush that is under way.
        self._flush: Iterator[None] | None = None
        #: Whether long rows may have changed that nobody began to write ahead of their flush.
        self._has_long_rows = False
        #: Writes long rows ahead of their flush, a little a step.
        self._ahead: Iterator[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a flush is under way that takes several turns of the loop."""
        return self._ahead is not None or self._flush is not None

    def flush(self) -> None:
        """Write all changes now, or what is left of those that are being written.

        Raises:
            StorageError: they cannot be written; they are in the log alone now.
        """
        for _ in self._flush or self._steps():
            pass

    def flush_after(self, sizes: Sequence[int], times: int) -> Iterator[None]:
        """Flush if much has changed, or begin to; others have their turn between two steps.

        Args:
            sizes: of the records in the last batch, in bytes.
            times: how many times as many changes are gathered as when little is to be done.

        Raises:
            StorageError: as :meth:`flush`.
        """
        if max(sizes) >= LONG_ROW_BYTES:
            self._has_long_rows = True
        if self._ahead is None and not self._has_long_rows:
            if self.much_changed(times):
                yield from self.flush_slowly()
        elif self.applied_bytes - self._flushed_bytes >= FLUSH_BYTES_MAX:
            self.flush()
        elif self._ahead is None and self.much_changed(times):
            self._ahead = self._write_ahead()
            _later(self._go_ahead, self._ahead)

    def stop(self) -> None:
        """Write nothing more: what the tables hold may not be whole."""
        self._flush = self._ahead = None

    def much_changed(self, times: int = 1) -> bool:
        """Tell whether what has changed since the last flush is to be written."""
        if self.applied_bytes - self._flushed_bytes >= FLUSH_BYTES:
            return True
        return self._tables.changed >= FLUSH_ROWS * times

    def flush_slowly(self) -> Iterator[None]:
        """Flush, for a little time a step, unless somebody cannot wait and flushes meanwhile.

        Nothing may be applied until the last step.

        Raises:
            StorageError: as :meth:`flush`.
        """
        time = asyncio.get_running_loop().time
        self._flush = self._steps()
        until = time() + ENCODE_S
        for _ in self._flush:
            if time() > until:
                yield
                until = time() + ENCODE_S

    def _steps(self) -> Iterator[None]:
        """Encode what has changed, some rows a step; write it in one, and forget it in the last."""
        lsn = self._complete()
        self._flushed_bytes = self.applied_bytes
        self._has_long_rows, self._ahead = False, None
        if self._store.applied_lsn < lsn:
            batch = self._store.batch()
            yield from self._tables.gather(batch)
            yield
            self._write(batch, lsn)
            yield
            self._tables.written()
        self._flush = None

    def _write(self, batch: Batch, lsn: int) -> None:
        try:
            batch.write(lsn)
        except StorageError as error:
            self._failed(error)
            raise

    def _write_ahead(self) -> Iterator[None]:
        """Write long rows ahead of their flush, until there are none that were not."""
        while self._has_long_rows:
            self._has_long_rows = False
            for key, value in self._tables.encode_ahead(LONG_ROW_BYTES):
                yield
                yield from self._store.stage(key, value)

    def _go_ahead(self, ahead: Iterator[None]) -> None:
        """Write the next piece, or flush behind the last one."""
        if ahead is not self._ahead:
            return  # a flush came first
        try:
            if next(ahead, ahead) is None:
                _later(self._go_ahead, ahead)
            else:
                self.flush()
        except StorageError as error:
            self._failed(error)


def _later(call: Callable[[Iterator[None]], None], steps: Iterator[None]) -> None:
    asyncio.get_running_loop().call_later(PIECE_S, call, steps)
