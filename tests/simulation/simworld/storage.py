"""The simulated machine's storage: a disk that dies with its process, a log, and a store.

What was acknowledged must be found again by the next process; :class:`Truth` remembers it, and what
every record comes to, without any of the code that is put to the test reading or writing files.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import msgspec
from simulated_disk import PowerCut, SimulatedDisk

from perdure.core.machine.actions import Action
from perdure.core.machine.apply import Machine
from perdure.core.model.records import AnnounceLeader, Progress, Record, RecordBody, Suspended
from perdure.core.model.shares import Share
from perdure.core.tables.tables import Tables
from perdure.engine.ports import CorruptLogError, LogFailedError, StorageError
from perdure.protocol.ids import InvocationId
from perdure.storage.direct_log import DirectLog
from perdure.storage.memory_store import MemoryStore, Rows
from perdure.storage.segmented import SegmentedRecords
from simworld.violations import Violation

#: Bytes of a value that are written in one step ahead of their flush.
STAGED_BYTES = 256

decode_record = msgspec.msgpack.Decoder(Record).decode
encode_record = msgspec.msgpack.Encoder().encode


class Disk(SimulatedDisk):
    """A disk as one process sees it; each of its steps may be the last."""

    def __init__(self, found: SimulatedDisk, point: Callable[[str], bool]) -> None:
        super().__init__(found.seen_names)
        self.safe_names = dict(found.safe_names)
        self.waiting_names = list(found.waiting_names)
        self._point = point
        #: What the next steps fail with: how many steps from now, and the error's number.
        self.failing: tuple[int, int] | None = None

    def step(self) -> None:
        if not self._point("disk"):
            raise PowerCut
        if self.failing is None:
            return
        left, code = self.failing
        self.failing = (left - 1, code)
        if left <= 0:
            self.failing = None
            raise OSError(code, errno.errorcode[code])


class Truth:
    """All records that became durable, and the tables they come to."""

    def __init__(self, share: Share) -> None:
        self.records: list[bytes] = []
        self.stale: set[int] = set()
        self._store = MemoryStore()
        self.machine = Machine(Tables(self._store), share)
        #: Is told of each record that counts, and of what follows from it.
        self.heed: Callable[[RecordBody, Sequence[Action]], None] = lambda _body, _actions: None
        self.epoch = 0
        #: How many journal entries each suspended invocation's last attempt had been sent.
        self.seen: dict[InvocationId, int] = {}

    def durable(self, encoded: bytes, *, stale: bool = False) -> None:
        """Take a record that the log acknowledged."""
        self.records.append(encoded)
        if stale:
            self.stale.add(len(self.records))
            return
        record = decode_record(encoded)
        body = record.body
        if isinstance(body, AnnounceLeader):
            self.epoch = body.epoch
        elif isinstance(body, Progress) and isinstance(body.ending, Suspended):
            self.seen[body.invocation_id] = body.ending.seen
        actions, _ = self.machine.apply(record)
        self.heed(body, actions)

    def check_log(self, records: SegmentedRecords, *, damaged: bool = False) -> None:
        """Compare a log that was opened with what was acknowledged; take what it holds beyond.

        Args:
            records: the log.
            damaged: whether bits have flipped in it: then whoever needs them must notice.
        """
        known = len(self.records)
        if records.tail <= known:
            raise Violation("lost records", f"{known} were durable, the log ends at {records.tail}")
        with contextlib.suppress(*(CorruptLogError,) if damaged else ()):
            for _, encoded in records.read(known + 1):
                self.durable(encoded)
            for lsn, encoded in records.read(records._first_lsns[0]):
                if self.records[lsn - 1] != encoded:
                    raise Violation("changed record", f"record {lsn} is not as acknowledged")

    def held(self) -> dict[bytes, bytes]:
        """Give the rows that all records together come to."""
        self._store.write(self.machine.tables.flush(), len(self.records))
        return dict(self._store._rows._values)


class SimLog(DirectLog):
    """The real log over the simulated disk; its syncs take time.

    Once another process has opened the files it writes nothing more: whoever leads without knowing
    better is told that its records are not durable.
    """

    def __init__(
        self, records: SegmentedRecords, loop: Any, latency: Callable[[], float], truth: Truth
    ) -> None:
        super().__init__(records, lambda commit: loop.call_later(latency(), commit))
        self._loop = loop
        self._truth = truth

    def fence(self) -> None:
        """Write nothing any more."""
        self._failure = LogFailedError("another process leads")

    def append(self, batch: Sequence[bytes], done: Callable[[LogFailedError | None], None]) -> None:
        kept = list(batch)

        def committed(error: LogFailedError | None) -> None:
            if error is None:
                for encoded in kept:
                    self._truth.durable(encoded)
            # The way back from the log's thread.
            self._loop.call_soon(done, error)

        super().append(batch, committed)

    def trim(self, upto_lsn: int) -> None:
        if self._failure is None:
            super().trim(upto_lsn)


class SimStore(MemoryStore):
    """A store that loses in a crash any of its last writes that were not made durable."""

    def __init__(self, rows: Rows, lsn: int) -> None:
        super().__init__()
        self._rows = rows
        self._applied_lsn = self._durable_lsn = lsn
        self._safe = rows.copy()
        self._since: list[tuple[Sequence[tuple[bytes, bytes | None]], int]] = []
        #: How many fail from now on.
        self.failing_writes = 0
        self.failing_checkpoints = 0

    @classmethod
    def empty(cls) -> SimStore:
        return cls(Rows(), 0)

    def stage(self, _key: bytes, value: bytes) -> Iterator[None]:
        for _ in range(0, len(value), STAGED_BYTES):
            self._may_fail()
            yield

    def write(self, changes: Sequence[tuple[bytes, bytes | None]], lsn: int) -> None:
        self._may_fail()
        super().write(changes, lsn)
        self._since.append((changes, lsn))

    def checkpoint(self) -> None:
        if self.failing_checkpoints:
            self.failing_checkpoints -= 1
            raise StorageError("the simulated store cannot be made durable")
        super().checkpoint()
        self._safe = self._rows.copy()
        self._since = []

    def _may_fail(self) -> None:
        if self.failing_writes:
            self.failing_writes -= 1
            raise StorageError("the simulated store cannot be written")

    def repair(self) -> None:
        """Let nothing fail any more."""
        self.failing_writes = self.failing_checkpoints = 0

    def after_crash(self, random: Random) -> SimStore:
        """Give the store as the next process finds it: at some write since the checkpoint."""
        found = SimStore(self._safe.copy(), self._durable_lsn)
        for changes, lsn in self._since[: random.randint(0, len(self._since))]:
            found.write(changes, lsn)
        return found
