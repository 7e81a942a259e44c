"""The log on the local disk: the event loop neither waits for the disk nor holds it up.

A batch is written at once and synced by the kernel, in the background; what comes meanwhile
gathers, and goes with the next sync. What takes longer, and everything where the kernel cannot do
that, is left to a thread: a batch crosses to it through a queue; what has gathered there is written
with one sync; one call into the loop tells all of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final

from perdure.engine.ports import LogFailedError, StorageError
from perdure.storage.files import OsFiles
from perdure.storage.kernel_sync import KernelSync
from perdure.storage.records import (
    Append,
    Counters,
    Done,
    Records,
    closed_error,
    commit,
    joined,
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

    def __init__(
        self,
        records: Records,
        call_soon: Callable[..., object],
        kernel: KernelSync | None = None,
    ) -> None:
        """Take over open records, and start the thread that writes.

        Args:
            records: where to write; nobody else does.
            call_soon: calls on the event loop's thread, whatever thread it is called from.
            kernel: makes the syncs that the records begin in the background, if there are any.
        """
        self._records = records
        self._call_soon = call_soon
        self._tail = records.tail
        self._kernel = kernel
        #: Whether the kernel makes a sync, and what waits for the next one.
        self._syncing = False
        self._behind: list[Append] = []
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        #: Batches that the thread was given and of which it is not known what became of them.
        self._in_thread = 0
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
        kernel = KernelSync.open(loop)
        with contextlib.ExitStack() as unless_opened:
            if kernel is not None:
                unless_opened.callback(kernel.close)
            try:
                files = OsFiles(folder, kernel)
            except OSError as error:
                raise StorageError(f"the folder of the log cannot be used: {error}") from error
            records = SegmentedRecords(files, segment_bytes=segment_bytes)
            unless_opened.pop_all()
        return cls(records, loop.call_soon_threadsafe, kernel)

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
        """Append records as one write with one sync.

        ``done`` is called on the event loop's thread: with None once the batch is durable, with
        the error when it is not. After an error, and after the close, every batch fails.
        """
        if self._closed:
            self._call_soon(done, closed_error())
            return
        self._tail += len(batch)
        if self._syncing:
            self._behind.append((batch, done))
        else:
            self._commit_soon([(batch, done)])

    def trim(self, upto_lsn: int) -> None:
        """Allow the records up to and including ``upto_lsn`` to be forgotten, in the background."""
        if not self._closed:
            self._jobs.put(upto_lsn)

    def close(self) -> None:
        """Write what is under way, which blocks that long, and release the files."""
        if self._closed:
            return
        self._closed = True
        while self._syncing and self._kernel is not None:
            self._kernel.wait()
        self._jobs.put(None)
        self._thread.join()
        if self._kernel is not None:
            self._kernel.close()

    def _commit_soon(self, appends: list[Append]) -> None:
        """Begin to make batches durable, behind whatever the thread has to do."""
        if not self._in_thread:
            self._syncing = self._begin(appends)
        if not self._syncing:
            self._in_thread += len(appends)
            for append in appends:
                self._jobs.put(append)

    def _begin(self, appends: list[Append]) -> bool:
        try:
            return self._records.begin(joined(appends), partial(self._synced, appends))
        except Exception:
            logger.exception("a batch could not be written at once; the log's thread tries again")
            return False

    def _synced(self, appends: list[Append], error: LogFailedError | None) -> None:
        self._syncing = False
        behind, self._behind = self._behind, []
        if behind:
            self._commit_soon(behind)
        if self._closed:
            # Whoever closes the log does not expect to be called back in the midst of it.
            self._tell_soon(tell, appends, error)
        else:
            tell(appends, error)

    def _tell(self, appends: list[Append], error: LogFailedError | None) -> None:
        self._in_thread -= len(appends)
        tell(appends, error)

    def _tell_soon(self, how: Callable[..., object], *what: object) -> None:
        try:
            self._call_soon(how, *what)
        except RuntimeError:
            logger.debug("the event loop was closed before the log: nobody is left to tell")

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

    def _commit(self, appends: list[Append]) -> None:
        if self._failure is None:
            try:
                self._failure = commit(self._records, appends)
            except Exception as error:
                # The top of the thread: without an answer the engine would wait for ever.
                logger.exception("the log failed in a way that nobody foresaw")
                self._failure = LogFailedError(f"the log failed: {error!r}")
        self._tell_soon(self._tell, appends, self._failure)

    def _trim(self, upto_lsn: int) -> None:
        try:
            self._records.trim(upto_lsn)
        except StorageError as error:
            logger.warning("the log takes more space than it needs: %s", error)
