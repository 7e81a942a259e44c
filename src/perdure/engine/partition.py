"""The loop of a partition: gather records, make them durable, apply them, hand on what follows.

One batch is on its way to the disk while the next one gathers; that is the only commit point there
is. A small one gathers until the batch before it is applied. Records are applied once their batch
is durable, in order, and their actions are handed on one record at a time (invariants I1 and I2). A
batch that takes long is applied in slices, between which others have their turn, and so is a record
that sends very many messages.

Everything here happens in callbacks of the event loop; no lock is needed, since nothing waits
between reading and writing. What cannot be applied or made durable ends the partition: going on
would break a promise.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import msgspec
from msgspec import Struct

from perdure.core.machine.actions import Action
from perdure.core.machine.apply import Machine
from perdure.core.model.records import AnnounceLeader, Progress, Record, RecordBody
from perdure.core.model.shares import ALONE, Share
from perdure.core.model.verdicts import Reply
from perdure.core.tables.tables import Tables
from perdure.engine.crowd import Crowd
from perdure.engine.errors import UnavailableError
from perdure.engine.flushing import Flusher
from perdure.engine.ports import Clock, CorruptLogError, Log, LogFailedError, Store

#: Records in one batch at the most.
BATCH_RECORDS_MAX: Final = 128
#: So many records make a batch that goes to the disk while the one before it is applied; fewer wait
#: for what follows from that, as each sync costs as much as a few records.
EARLY_RECORDS: Final = 64
#: Messages that one record sends and that are delivered in one turn of the loop.
DELIVERIES_MAX: Final = 256
#: Actions that are performed in one turn of the loop, however long they take.
ACTIONS_MAX: Final = 8
#: Records from this length on may change so many rows that a flush does not wait for their batch.
MANY_ROWS_BYTES: Final = 4096
#: How long a batch is applied in one turn of the loop, in seconds; then others have their turn.
SLICE_S: Final = 0.002

OnReply = Callable[[Reply | UnavailableError], None]
Performers = Mapping[type[Action], Callable[[Any], None]]

logger = logging.getLogger("perdure.engine")


class Proposal(Struct, frozen=True):
    """A record on its way into the log, and who wants to hear what became of it."""

    record: Record
    encoded: bytes
    on_reply: OnReply | None


class Partition:
    """One partition, led by this process."""

    def __init__(self, log: Log, store: Store, clock: Clock, share: Share = ALONE) -> None:
        self._log = log
        self._clock = clock
        self.tables = Tables(store)
        self.machine = Machine(self.tables, share)
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(Record).decode
        self._gathered: list[Proposal] = []
        self._in_flight: list[Proposal] = []
        self._commit_planned = False
        #: What is left of the batch that is applied, and what applies it, a slice a step.
        self._unapplied: deque[Proposal] = deque()
        self._applying: Iterator[None] | None = None
        #: What became of the batch on the disk, while the one before it is applied.
        self._outcome: Callable[[], None] | None = None
        #: Size of the records that are not applied yet, in bytes.
        self.waiting_bytes = 0
        self._flusher = Flusher(self.tables, store, self._complete, self.fail)
        self._applied_lsn = store.applied_lsn
        #: Epoch in which this process leads.
        self._epoch = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        #: Who carries out an action, by its class.
        self._perform: Performers = {}
        self._on_failure: Callable[[BaseException], None] | None = None
        self._settled: list[asyncio.Future[None]] = []
        self._crowd = Crowd(lambda: self.waiting, self._flush_soon)
        #: Who waits for a flush that nobody else would make yet.
        self._flushed: list[asyncio.Future[None]] = []
        #: Why the partition stopped, if it did.
        self.failure: BaseException | None = None

    @property
    def applied_lsn(self) -> int:
        """LSN of the last record that was applied."""
        return self._applied_lsn

    @property
    def applied_bytes(self) -> int:
        """Size of the records that were applied since this process started, in bytes."""
        return self._flusher.applied_bytes

    @property
    def waiting(self) -> int:
        """How many records are not applied yet, or not all of their actions are performed."""
        waiting = len(self._gathered) + len(self._in_flight) + len(self._unapplied)
        return waiting + (self._applying is not None)

    @property
    def flushing(self) -> bool:
        """Whether a flush, or a record before it, takes several turns of the loop just now."""
        return self._flusher.busy or self.machine.unfinished

    def recover(self) -> None:
        """Apply what the log holds beyond the store; actions are rebuilt from the tables later.

        Raises:
            CorruptLogError: the log is damaged.
            StorageError: the store cannot be written.
        """
        try:
            for lsn, encoded in self._log.read(self._applied_lsn + 1):
                self.machine.apply(self._read(lsn, encoded))
                self._applied_lsn = lsn
                self._flusher.applied_bytes += len(encoded)
                if self._flusher.much_changed():
                    self.flush()
            self.flush()
        except Exception as error:
            # Half of a record may be in the tables: they must not be written any more.
            self.fail(error)
            raise

    def lead(
        self,
        perform: Performers,
        on_failure: Callable[[BaseException], None],
        announced: Callable[[], None],
        behind: Callable[[], bool] = lambda: False,
    ) -> None:
        """Begin a new epoch, in which this process alone writes to the log.

        Args:
            perform: who carries out an action, by its class.
            on_failure: hears why the partition stopped, once.
            announced: called when the epoch's first record is durable.
            behind: tells whether timers wait that were due long ago, as there are so many.
        """
        self._loop = asyncio.get_running_loop()
        self._perform = perform
        self._on_failure = on_failure
        self._crowd.behind = behind
        self._epoch = self.machine.epoch + 1

        def on_reply(reply: Reply | UnavailableError) -> None:
            if not isinstance(reply, UnavailableError):
                announced()

        self.propose(AnnounceLeader(self._epoch), on_reply)

    def propose(self, body: RecordBody, on_reply: OnReply | None = None) -> None:
        """Append a record with the next batch.

        Args:
            body: what to append.
            on_reply: called once the record is applied with the machine's answer, before any of
                its actions is performed; or with the reason why it will not be.

        Raises:
            Exception: it cannot be stored; nothing was taken.
        """
        if self.failure is not None:
            if on_reply is not None:
                on_reply(_unavailable(self.failure))
            return
        record = Record(self._epoch, self._clock.now_ms(), body)
        encoded = self._encode(record)
        if type(body) is Progress:
            # An SDK in this process says values, which nobody has checked: what is of another
            # type than its field could be written, and never be read again.
            self._decode(encoded)
        self._gathered.append(Proposal(record, encoded, on_reply))
        self.waiting_bytes += len(encoded)
        if not self._commit_planned and not self._in_flight:
            self._plan_commit()

    def _read(self, lsn: int, encoded: bytes) -> Record:
        try:
            return self._decode(encoded)
        except msgspec.MsgspecError as error:
            raise CorruptLogError(
                f"record {lsn} of the log cannot be read ({error}): start the version of Perdure "
                "that wrote it, or restore the data directory from a backup"
            ) from error

    async def settle(self) -> None:
        """Wait until all that was proposed is applied, or never will be."""
        if self.waiting:
            settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._settled.append(settled)
            await settled

    async def flush_gently(self) -> None:
        """Let changes be written that take long, so that little is left; nobody is held up by it.

        It may fail, or the partition may stop: then it is to be seen in its failure.
        """
        if self._flusher.much_changed() and self.failure is None:
            flushed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._flushed.append(flushed)
            self._flush_soon()
            await flushed

    def flush(self) -> None:
        """Write the changes of all applied records to the store, without sync.

        Raises:
            StorageError: they cannot be written; the partition stops, since they are in the log
                alone now.
        """
        self._flusher.flush()

    def fail(self, error: BaseException) -> None:
        """Stop: nothing more is taken, and whoever waits is told."""
        if self.failure is not None:
            return
        self.failure = error
        abandoned = [*self._unapplied, *self._in_flight, *self._gathered]
        self._in_flight, self._gathered = [], []
        self._unapplied.clear()
        self._applying = self._outcome = None
        self._flusher.stop()
        refusal = _unavailable(error)
        for proposal in abandoned:
            if proposal.on_reply is not None:
                proposal.on_reply(refusal)
        self._settled = _tell(self._settled)
        self._flushed = _tell(self._flushed)
        if self._on_failure is not None:
            self._on_failure(error)

    def _plan_commit(self) -> None:
        """Commit once the loop has looked what else has come in: it goes into the same batch."""
        assert self._loop is not None, "a partition leads before it takes records"
        self._commit_planned = True
        self._loop.call_soon(self._loop.call_soon, self._commit)

    def _commit(self) -> None:
        self._commit_planned = False
        if self._in_flight or not self._gathered or self.failure is not None:
            return
        self._in_flight = self._gathered[:BATCH_RECORDS_MAX]
        self._gathered = self._gathered[BATCH_RECORDS_MAX:]
        self._log.append([proposal.encoded for proposal in self._in_flight], self._committed)

    def _committed(self, error: LogFailedError | None) -> None:
        if self.failure is not None:
            return
        if self._applying is not None:
            self._outcome = partial(self._committed, error)
            return
        if error is not None:
            self.fail(error)
            return
        batch, self._in_flight = self._in_flight, []
        sizes = [len(proposal.encoded) for proposal in batch]
        self.waiting_bytes -= sum(sizes)
        if len(self._gathered) >= EARLY_RECORDS:
            # The disk works on the next batch while this one is applied.
            self._commit()
        elif self._gathered and not self._commit_planned:
            self._plan_commit()
        self._unapplied.extend(batch)
        self._applying = self._apply(sizes)
        self._go_on()

    def _go_on(self) -> None:
        """Apply the next slice of the batch; the batch behind it comes after the last one."""
        applying, loop = self._applying, self._loop
        assert loop is not None, "a partition leads before it applies batches"
        if applying is None or self.failure is not None:
            return
        try:
            if next(applying, applying) is None:
                loop.call_soon(self._go_on)
                return
        except Exception as failure:  # whatever it is, going on would corrupt the fold
            logger.exception("what is durable could not be applied or stored; the partition stops")
            self.fail(failure)
            return
        self._applying = None
        if self._outcome is not None:
            loop.call_soon(self._outcome)
            self._outcome = None
        if self._flushed:
            self._flushed = _tell(self._flushed)
        if self._settled and not self.waiting:
            self._settled = _tell(self._settled)

    def _apply(self, sizes: Sequence[int]) -> Iterator[None]:
        """Apply records and perform their actions, a slice of time a step; flush where it is due.

        Args:
            sizes: of the records, in bytes.
        """
        assert self._loop is not None, "a partition leads before it applies batches"
        perform, machine, time = self._perform, self.machine, self._loop.time
        apply, unapplied, until = machine.apply, self._unapplied, time() + SLICE_S
        applied_bytes = 0
        while unapplied:
            proposal = unapplied[0]
            actions, reply = apply(proposal.record, DELIVERIES_MAX)
            unapplied.popleft()
            self._applied_lsn += 1
            if proposal.on_reply is not None:
                proposal.on_reply(reply)
            if machine.unfinished or len(actions) > ACTIONS_MAX:
                yield from self._perform_many(actions)
            else:
                for action in actions:
                    perform[type(action)](action)
            size = len(proposal.encoded)
            applied_bytes += size
            if size >= MANY_ROWS_BYTES:
                yield from self._flush_after(sizes, applied_bytes)
                applied_bytes = 0
            if time() > until:
                yield
                until = time() + SLICE_S
        yield from self._flush_after(sizes, applied_bytes)

    def _perform_many(self, actions: Sequence[Action]) -> Iterator[None]:
        """Perform actions a slice of time a step, those of what is left of their record as well."""
        assert self._loop is not None, "a partition leads before it applies batches"
        perform, machine, time = self._perform, self.machine, self._loop.time
        while True:
            until = time() + SLICE_S
            for action in actions:
                perform[type(action)](action)
                if time() > until:
                    yield
                    until = time() + SLICE_S
            if not machine.unfinished:
                return
            yield
            actions = machine.go_on(DELIVERIES_MAX)

    def _flush_after(self, sizes: Sequence[int], applied_bytes: int) -> Iterator[None]:
        self._flusher.applied_bytes += applied_bytes
        return self._flusher.flush_after(sizes, 1 if self._flushed else self._crowd.times())

    def _flush_soon(self) -> None:
        """Begin to write what has changed; if a batch is applied just now, that comes behind it."""
        if self._applying is None and self.failure is None and self._flusher.much_changed():
            self._applying = self._flusher.flush_slowly()
            self._go_on()

    def _complete(self) -> int:
        """Apply all that is left of a record now, and say which it is."""
        try:
            self.machine.finish()
        except Exception as failure:
            self.fail(failure)
            raise
        return self._applied_lsn


def _tell(waiting: list[asyncio.Future[None]]) -> list[asyncio.Future[None]]:
    """Tell all who wait; give those who still do."""
    for each in waiting:
        if not each.done():
            each.set_result(None)
    return []


def _unavailable(error: BaseException) -> UnavailableError:
    return UnavailableError(f"the server cannot write to its log: {error}")
