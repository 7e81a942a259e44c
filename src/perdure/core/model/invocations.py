"""Invocations: one request to run a handler, and the states it goes through.

Each status owns the data that exists only in it. :data:`LEGAL` says which may follow which; an
invocation that was never seen, or was purged, has no row and is called free.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from perdure.core.model.awaiting import Awaited
from perdure.core.model.journals import JournalSize
from perdure.core.model.targets import Target
from perdure.protocol.ids import DeploymentId, InvocationId
from perdure.protocol.messages import CompletionKind, Outcome


class Problem(Struct, frozen=True, array_like=True, gc=False):
    """Why an attempt failed, as told by the handler or found by the server."""

    code: int
    message: str
    stacktrace: str = ""
    #: The documented code, such as RT0007 for an error that a handler reported.
    doc_code: str = "RT0007"
    related_command_index: int | None = None
    related_command_name: str | None = None
    related_command_type: int | None = None


class Scheduled(Struct, frozen=True, array_like=True, gc=False, tag=0):
    """Waits for its start time, in milliseconds since 1970."""

    start_at: int


class Inboxed(Struct, frozen=True, array_like=True, gc=False, tag=1):
    """Waits in line for its key; the position names its row in the inbox."""

    position: bytes


class Running(Struct, frozen=True, array_like=True, gc=False, tag=2):
    """An attempt is under way, or waits for its retry time.

    ``failures`` counts the attempts since the last start, resume or wake-up that failed and
    count against the retry policy. ``retry_at`` is set while the invocation backs off.
    """

    failures: int = 0
    retry_at: int | None = None
    problem: Problem | None = None
    #: Failures since the journal last grew by a command; told to the SDK (Start, field 7).
    failures_since_progress: int = 0


class Suspended(Struct, frozen=True, array_like=True, gc=False, tag=3):
    """Waits for notifications; what is left of the awaited tree."""

    awaiting: Awaited
    #: Whether there are many leaves, in ascending order: one of them is found quickly.
    ordered: bool = False


class Paused(Struct, frozen=True, array_like=True, gc=False, tag=4):
    """Stopped by an operator or by exhausted retries, until resumed or cancelled."""

    problem: Problem | None = None


class Completed(Struct, frozen=True, array_like=True, gc=False, tag=5):
    """Ended; the result is kept until ``completed_at`` plus the completion retention."""

    completed_at: int
    outcome: Outcome
    #: Set when the journal went before the result did.
    journal_purged: bool = False


Status = Scheduled | Inboxed | Running | Suspended | Paused | Completed

LEGAL: Final[Mapping[type[Status] | None, frozenset[type[Status] | None]]] = {
    None: frozenset({Scheduled, Inboxed, Running}),
    Scheduled: frozenset({Inboxed, Running, None}),
    Inboxed: frozenset({Running, None}),
    Running: frozenset({Running, Suspended, Paused, Completed, None}),
    Suspended: frozenset({Suspended, Running, Paused, Completed, None}),
    Paused: frozenset({Paused, Running, Completed, None}),
    Completed: frozenset({Completed, None}),
}


class Pin(Struct, frozen=True, array_like=True, gc=False):
    """The deployment and protocol version an invocation goes on with (service protocol 7.6)."""

    deployment_id: DeploymentId
    protocol_version: int


class Retention(Struct, frozen=True, array_like=True, gc=False):
    """How long result and journal are kept after the end, in milliseconds."""

    completion_ms: int
    journal_ms: int


class Caller(Struct, frozen=True, array_like=True, gc=False):
    """Who waits for a result: an invocation, and the completion it waits for."""

    invocation_id: InvocationId
    completion_id: int
    kind: CompletionKind
    #: When the waiting invocation was created: tells it from a later one with the same id.
    created_at: int


class FurtherCaller(Struct, frozen=True, array_like=True, gc=False):
    """One of many who wait for the same result or promise, and its place among them."""

    place: int
    caller: Caller


class Origin(Struct, frozen=True, array_like=True, gc=False):
    """Where an invocation came from."""

    #: The invocation whose handler called this one.
    parent: InvocationId | None = None
    parent_target: str | None = None
    #: The invocation this one restarts.
    restart_of: InvocationId | None = None
    #: The invocation whose random numbers this one has, because it goes on from that one's steps.
    seeded_by: InvocationId | None = None


class Invocation(Struct, frozen=True, array_like=True, gc=False):
    """The row of one invocation.

    The times come first, so that they stand in all rows at the same place.
    """

    created_at: int
    modified_at: int
    target: Target
    status: Status
    retention: Retention
    journal: JournalSize
    #: Number of the newest attempt; what an older one says is dropped. A partition gives each
    #: number once, so that an id which is used again hears nothing of its former self.
    attempt: int = 0
    pin: Pin | None = None
    #: The first of those who wait for the result.
    callers: tuple[Caller, ...] = ()
    origin: Origin = Origin()
    idempotency_key: str | None = None
    execution_time: int | None = None
    #: Sleeps whose timers are armed; they are disarmed when the invocation ends before them.
    sleeps: int = 0
    #: Promises that it waits for; their lists of listeners drop it when it ends before them.
    listens: int = 0
    #: How many events were noted, see :mod:`perdure.core.model.events`.
    events: int = 0
    #: When it was put in line for its key, and when its first attempt began.
    inboxed_at: int | None = None
    running_at: int | None = None
    #: How many wait for the result besides ``callers``, in a table of their own.
    further_callers: int = 0


def kept_journal(row: Invocation) -> JournalSize:
    """Say how much of an invocation's journal there still is: all of it, or nothing."""
    gone = isinstance(row.status, Completed) and row.status.journal_purged
    return JournalSize() if gone else row.journal
