"""What the rows of invocations say must stand in the other tables, kept up with those that change.

Each claim names the invocation that makes it: taking one back takes back nothing of another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from perdure.core.model.invocations import (
    Completed,
    Inboxed,
    Invocation,
    Paused,
    Running,
    Scheduled,
    Suspended,
)
from perdure.core.model.journals import JournalEntry
from perdure.core.model.targets import HandlerKind
from perdure.core.model.timers import Timer, TimerKind
from perdure.core.tables.keys import INSTANT_MAX, object_key
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Completion, CompletionKind, Sleep

ADMITTED = (Running, Suspended, Paused)

Journal = Mapping[int, JournalEntry]
#: A set, and what is claimed to belong there.
Claim = tuple[set[Any], Any]


class Claims:
    """What all rows together say."""

    def __init__(self) -> None:
        #: (key, who): exclusive keys that are held.
        self.held: set[tuple[bytes, InvocationId]] = set()
        #: (place, who): places in the lines before keys.
        self.places: set[tuple[bytes, InvocationId]] = set()
        self.running: set[InvocationId] = set()
        self.parked: set[InvocationId] = set()
        self.timers: set[Timer] = set()
        #: (when, who, whether the journal alone): what is to be forgotten.
        self.expiries: set[tuple[int, InvocationId, bool]] = set()
        #: (who, how many): promises that somebody waits for.
        self.listening: set[tuple[InvocationId, int]] = set()
        #: (number, who): the newest attempts.
        self.attempts: set[tuple[int, InvocationId]] = set()
        self._made: dict[InvocationId, list[Claim]] = {}

    def renew(self, who: InvocationId, row: Invocation | None, journal: Journal) -> None:
        """Take what an invocation says now in the place of what it said."""
        for claims, claim in self._made.pop(who, ()):
            claims.discard(claim)
        if row is None:
            return
        made = self._made[who] = list(self._of(who, row, journal))
        for claims, claim in made:
            claims.add(claim)

    def _of(self, who: InvocationId, row: Invocation, journal: Journal) -> Iterator[Claim]:
        status = row.status
        match status:
            case Completed():
                yield from self._of_ended(who, row, status)
            case Running() | Suspended() | Paused():
                yield from self._of_admitted(who, row, journal)
            case Inboxed():
                yield self.places, (status.position, who)
            case Scheduled():
                yield self.timers, Timer(status.start_at, TimerKind.START, who)
        if row.listens:
            yield self.listening, (who, row.listens)
        if row.attempt:
            yield self.attempts, (row.attempt, who)

    def _of_admitted(self, who: InvocationId, row: Invocation, journal: Journal) -> Iterator[Claim]:
        status = row.status
        yield self.running if isinstance(status, Running) else self.parked, who
        if row.target.kind is HandlerKind.EXCLUSIVE:
            yield self.held, (object_key(row.target), who)
        if isinstance(status, Running) and status.retry_at is not None:
            yield self.timers, Timer(status.retry_at, TimerKind.RETRY, who)
        for sleep in armed_sleeps(row, journal):
            due_at, completion_id = sleep.wake_up_time, sleep.result_completion_id
            yield self.timers, Timer(due_at, TimerKind.SLEEP, who, completion_id)

    def _of_ended(self, who: InvocationId, row: Invocation, status: Completed) -> Iterator[Claim]:
        ended_at, kept = status.completed_at, row.retention
        yield self.expiries, (min(ended_at + kept.completion_ms, INSTANT_MAX), who, False)
        if not status.journal_purged and kept.journal_ms < kept.completion_ms:
            yield self.expiries, (min(ended_at + kept.journal_ms, INSTANT_MAX), who, True)


def armed_sleeps(row: Invocation, journal: Journal) -> list[Sleep]:
    """Give the sleeps that wait, by the journal."""
    if not isinstance(row.status, ADMITTED):
        return []
    messages = [entry.message for entry in journal.values()]
    sleeps = [message for message in messages if isinstance(message, Sleep)]
    if not sleeps:
        return sleeps
    over = {
        message.completion_id
        for message in messages
        if isinstance(message, Completion) and message.kind is CompletionKind.SLEEP
    }
    return [sleep for sleep in sleeps if sleep.result_completion_id not in over]
