"""A partition in a test: its machine, a store, a clock, and a leader that does what it is told.

Each step applies one record, lets the leader act, and checks every invariant: of the tables, of the
statuses' changes, and of what the leader was asked to do.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from images import Image, stored_bytes
from invariants import check_all
from telling import Telling
from watched_tables import MemoryStore, WatchedTables

from perdure.core.machine.actions import (
    Action,
    ArmTimer,
    Finish,
    Notify,
    Ship,
    StartAttempt,
    StopAttempt,
    WatchExpiry,
)
from perdure.core.machine.apply import Machine
from perdure.core.model.invocations import (
    Completed,
    Invocation,
    Running,
)
from perdure.core.model.records import (
    Progress,
    Record,
    RecordBody,
)
from perdure.core.model.records import Suspended as AttemptSuspended
from perdure.core.model.shares import ALONE, Share
from perdure.core.model.targets import Target
from perdure.core.model.timers import Timer
from perdure.core.model.verdicts import Reply
from perdure.core.tables.keys import index_key, object_key
from perdure.core.tables.tables import Tables
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import (
    JournalMessage,
    Outcome,
)

_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(Record).decode


class World(Telling):
    """One partition and its leader."""

    def __init__(self, now: int = 1_000_000, share: Share = ALONE) -> None:
        self.now = now
        self.share = share
        self.epoch = 0
        self.store = MemoryStore()
        self.tables: Tables = WatchedTables(self.store)
        self.machine = Machine(self.tables, share)
        #: All records so far, and what they were answered.
        self.records: list[Record] = []
        self.replies: list[Reply] = []
        #: What the last record asked for.
        self.actions: list[Action] = []
        # What the leader holds in memory.
        self.attempts: dict[InvocationId, int] = {}
        self.armed: set[Timer] = set()
        self.watched: int | None = None
        #: What is to be shipped, by destination and number.
        self.shipping: set[tuple[int, int]] = set()
        self.results: dict[InvocationId, Outcome] = {}
        #: Entries that each attempt had been sent when it suspended.
        self.seen: dict[InvocationId, int] = {}

    # ------------------------------------------------------------------------------------------
    # Records

    def apply(self, body: RecordBody) -> Reply:
        """Apply one record, as it comes out of the log."""
        return self.replay(Record(self.epoch, self.now, body))

    def replay(self, record: Record) -> Reply:
        """Apply a record that was made elsewhere."""
        self.now = max(self.now, record.now)
        record = _DECODE(_ENCODE(record))
        self._note_seen(record.body)
        self.actions, reply = self.machine.apply(record)
        self.records.append(record)
        self.replies.append(reply)
        for action in self.actions:
            self._perform(action)
        self._forget_attempts_that_ended()
        self.check()
        return reply

    # ------------------------------------------------------------------------------------------
    # Restarts

    def flush(self) -> None:
        """Write the gathered changes to the store."""
        self.store.write(self.tables.flush())
        self.check()

    def restart(self) -> None:
        """Lose everything but the store; rebuild machine and leader from the tables."""
        self.store.write(self.tables.flush())
        due = {timer for timer in self.armed if timer in self.image.timers}
        attempts = dict(self.attempts)
        self.tables = WatchedTables(self.store)
        self.machine = Machine(self.tables, self.share)
        image = self.image
        self.armed = set(image.timers)
        self.attempts = {
            invocation_id: row.attempt
            for invocation_id, row in image.invocations.items()
            if isinstance(row.status, Running) and row.status.retry_at is None
        }
        self.watched = min((expires_at for expires_at, _, _ in image.expiries), default=None)
        self.shipping = set(image.outbox)
        assert self.armed == due, "recovery arms what the leader had armed"
        assert self.attempts == attempts, "recovery starts what the leader had started"
        self.check()

    # ------------------------------------------------------------------------------------------
    # What can be seen

    @property
    def image(self) -> Image:
        """The tables."""
        return Image(stored_bytes(self.tables, self.store.held))

    def row(self, who: InvocationId) -> Invocation:
        """Give the row of an invocation that has one."""
        row = self.tables.invocations.get(who)
        assert row is not None, f"{who!r} has no row"
        return row

    def status(self, who: InvocationId) -> type | None:
        """Give the status of an invocation, None if it is free."""
        row = self.tables.invocations.get(who)
        return None if row is None else type(row.status)

    def outcome(self, who: InvocationId) -> Outcome:
        """Give the result that is kept."""
        status = self.row(who).status
        assert isinstance(status, Completed)
        return status.outcome

    def journal(self, who: InvocationId) -> list[JournalMessage]:
        """Give the journal after the input."""
        return [entry.message for _, entry in self.tables.journals.rows(who)][1:]

    def state(self, target: Target) -> Mapping[bytes, bytes]:
        """Give the state of an object or workflow."""
        return dict(self.tables.states.rows(object_key(target)))

    def line(self, target: Target) -> list[InvocationId]:
        """Give who waits for the key of an object, in order."""
        group = object_key(target)
        places = sorted(self.image.lines.items())
        return [waiting for position, waiting in places if position[:-8] == group]

    def holder(self, target: Target) -> InvocationId | None:
        """Give who holds the key of an object."""
        lock = self.tables.locks.get(object_key(target))
        return None if lock is None else lock.holder

    @property
    def started(self) -> list[InvocationId]:
        """Whose attempts the last record started."""
        return [one.invocation_id for one in self.actions if isinstance(one, StartAttempt)]

    @property
    def stopped(self) -> list[InvocationId]:
        """Whose attempts the last record stopped."""
        return [one.invocation_id for one in self.actions if isinstance(one, StopAttempt)]

    @property
    def forwarded(self) -> list[JournalMessage]:
        """Which notifications the last record forwarded to open attempts."""
        return [one.notification for one in self.actions if isinstance(one, Notify)]

    @property
    def finished(self) -> dict[InvocationId, Outcome]:
        """Which results the last record gave to whoever waits outside."""
        return {one.invocation_id: one.outcome for one in self.actions if isinstance(one, Finish)}

    # ------------------------------------------------------------------------------------------
    # The leader, and the checks

    def check(self) -> None:
        """Check every invariant now."""
        image = self.image
        check_all(image, self.seen, self.share)
        due = {
            invocation_id: row.attempt
            for invocation_id, row in image.invocations.items()
            if isinstance(row.status, Running) and row.status.retry_at is None
        }
        assert self.attempts == due, "an attempt is open exactly for what runs"
        assert image.timers <= self.armed, "a timer in the table was never armed"
        assert image.outbox.keys() <= self.shipping, "a message is never shipped"
        for invocation_id in due:
            journals, size = self.tables.journals, image.invocations[invocation_id].journal
            whole = journals.counted(invocation_id, size.entries, index_key)
            entries = [entry for _, entry in journals.rows(invocation_id)]
            assert whole == entries, "an attempt would miss entries"
        if image.expiries:
            first = min(expires_at for expires_at, _, _ in image.expiries)
            assert self.watched is not None, "nobody was told to look at expiries"
            assert self.watched <= first, "an expiry is looked for too late"

    def _note_seen(self, body: RecordBody) -> None:
        if isinstance(body, Progress) and isinstance(body.ending, AttemptSuspended):
            row = self.tables.invocations.get(body.invocation_id)
            if row is not None and row.attempt == body.attempt:
                self.seen[body.invocation_id] = body.ending.seen

    def _perform(self, action: Action) -> None:
        match action:
            case StartAttempt(invocation_id, attempt):
                assert self.attempts.get(invocation_id, 0) < attempt, "numbers only grow"
                self.attempts[invocation_id] = attempt
            case StopAttempt(invocation_id):
                self.attempts.pop(invocation_id, None)
            case Notify(invocation_id, index, notification):
                self._hear(invocation_id, index, notification)
            case ArmTimer(timer):
                self.armed.add(timer)
            case Finish(invocation_id, outcome):
                self.attempts.pop(invocation_id, None)
                self.results[invocation_id] = outcome
            case WatchExpiry(expires_at):
                self.watched = min(self.watched or expires_at, expires_at)
            case Ship(destination, number):
                assert all(number > old for to, old in self.shipping if to == destination)
                self.shipping.add((destination, number))

    def _hear(self, invocation_id: InvocationId, index: int, notification: object) -> None:
        row = self.tables.invocations.get(invocation_id)
        if row is None or row.attempt != self.attempts.get(invocation_id):
            return  # it ended in the same record, and perhaps began anew
        if isinstance(row.status, Running):
            entry = self.tables.journals.get(invocation_id, index.to_bytes(4, "big"))
            assert entry is not None
            assert entry.message == notification

    def _forget_attempts_that_ended(self) -> None:
        """An attempt that suspended, failed or was paused closed itself; the leader knows."""
        for invocation_id, number in list(self.attempts.items()):
            row = self.tables.invocations.get(invocation_id)
            if (
                row is None
                or row.attempt != number
                or not isinstance(row.status, Running)
                or row.status.retry_at is not None
            ):
                del self.attempts[invocation_id]
