"""A log whose records one thread writes: the event loop neither waits for the disk nor holds it up.

A batch crosses to the thread through a queue; what has gathered there meanwhile is written with one
sync; one call into the loop tells all of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final

from perdure.engine.ports import LogFailedError, StorageError
from perdure.storage.files import OsFiles
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
from perdure.storage.segmented import SEGMENT_BYTES, SegmentedRecords

#: Batches that one commit takes; the rest waits for the next.
BATCHES_MAX: Final = 256

#: An append, the LSN of a trim, or the end.
Job = Append | int | None
#: The trim that forgets nothing.
NO_TRIM: Final = 0

logger = logging.getLogger(__name__)


class LocalLog:
    """The log on the local disk (the port is :class:`perdure.engine.ports.Log`)."""

    def __init__(self, records: Records, call_soon: Callable[..., object]) -> None:
        """Take over open records, and start the thread that writes.

        Args:
            records: where to write; nobody else does.
            call_soon: calls on the event loop's thread, whatever thread it is called from.
        """
        self._records = records
        self._call_soon = call_soon
        self._tail = records.tail
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._closed = False
        self._failure: LogFailedError | None = None
        # Whoever leaves without close loses nothing that was acknowledged, so nobody waits for it.
        self._thread = Thread(target=self._run, name="perdure-log", daemon=True)
        self._thread.start()

    @classmethod
    def open(
        cls,
        folder: Path,
        loop: asyncio.AbstractEventLoop,
        *,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> LocalLog:
        """Open the log in a folder, or begin one; blocks while the last segment is checked.

        Raises:
            CorruptLogError: a record before the end is damaged.
            StorageError: the folder cannot be read or written.
        """
        try:
            files = OsFiles(folder)
        except OSError as error:
            raise StorageError(f"the folder of the log cannot be used: {error}") from error
        return cls(SegmentedRecords(files, segment_bytes=segment_bytes), loop.call_soon_threadsafe)

    @property
    def counters(self) -> Counters:
        """What was written since the log was opened."""
        return self._records.counters

    @property
    def tail(self) -> int:
        """LSN that the next record will get."""
        return self._tail

    def read(self, from_lsn: int) -> Iterator[tuple[int, bytes]]:
        """Give the records from ``from_lsn`` on, in order, as far as they are durable now.

        Raises:
            CorruptLogError: a record is damaged or was trimmed, or the log ends before it.
            StorageError: the disk cannot be read.
        """
        return read_issued(self._records, from_lsn, self._tail)

    def append(self, batch: Sequence[bytes], done: Done) -> None:
        """Append records as one write with one sync, in the log's thread.

        ``done`` is called on the event loop's thread: with None once the batch is durable, with
        the error when it is not. After an error, and after the close, every batch fails.
        """
        if self._closed:
            self._call_soon(done, closed_error())
            return
        self._tail += len(batch)
        self._jobs.put((batch, done))

    def trim(self, upto_lsn: int) -> None:
        """Allow the records up to and including ``upto_lsn`` to be forgotten, in the background."""
        if not self._closed:
            self._jobs.put(upto_lsn)

    def close(self) -> None:
        """Write what is under way, which blocks that long, and release the files."""
        if not self._closed:
            self._closed = True
            self._jobs.put(None)
            self._thread.join()

    def _run(self) -> None:
        job: Job = NO_TRIM
        while job is not None:
            appends, job = self._gather()
            if appends:
                self._commit(appends)
            if isinstance(job, int):
                self._trim(job)
        self._records.close()

    def _gather(self) -> tuple[list[Append], int | None]:
        """Wait for work; give the appends that have gathered, and the job that ends them."""
        appends: list[Append] = []
        job = self._jobs.get()
        while isinstance(job, tuple):
            appends.append(job)
            if len(appends) == BATCHES_MAX or self._jobs.empty():
                return appends, NO_TRIM
            job = self._jobs.get()
        return appends, job

    def _commit(self, appends: Sequence[Append]) -> None:
        if self._failure is None:
            try:
                self._failure = commit(self._records, appends)
            except Exception as error:
                # The top of the thread: without an answer the engine would wait for ever.
                logger.exception("the log failed in a way that nobody foresaw")
                self._failure = LogFailedError(f"the log failed: {error!r}")
        try:
            self._call_soon(tell, appends, self._failure)
        except RuntimeError:
            logger.debug("the event loop was closed before the log: nobody is left to tell")

    def _trim(self, upto_lsn: int) -> None:
        try:
            self._records.trim(upto_lsn)
        except StorageError as error:
            logger.warning("the log takes more space than it needs: %s", error)
