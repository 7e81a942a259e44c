"""Endings: result kept or not, callers answered, key handed on, and what is purged later."""

from __future__ import annotations

from operator import attrgetter
from typing import Final

from msgspec.structs import replace

from perdure.core.machine.actions import Finish, WatchExpiry
from perdure.core.machine.events import forget_events
from perdure.core.machine.loose_ends import disarm_retry, disarm_sleeps, stop_listening
from perdure.core.machine.starts import release, unpark
from perdure.core.machine.step import Step
from perdure.core.model.invocations import (
    Caller,
    Completed,
    FurtherCaller,
    Inboxed,
    Invocation,
    Running,
    Scheduled,
    kept_journal,
)
from perdure.core.model.promises import Pending
from perdure.core.model.records import Respond
from perdure.core.model.timers import Timer, TimerKind
from perdure.core.tables.keys import (
    INSTANT_MAX,
    caller_key,
    expiry_key,
    index_key,
    object_key,
    timer_key,
)
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Failure, Outcome

NOT_FOUND = Failure(404, "not found")
#: Callers that stand in the row itself: mostly there is one.
CALLERS_IN_ROW: Final = 4


def end(step: Step, invocation_id: InvocationId, row: Invocation, outcome: Outcome) -> None:
    """End an invocation that was admitted: keep or forget it, answer, and hand on its key."""
    tables = step.tables
    if isinstance(row.status, Running):
        if row.status.retry_at is not None:
            disarm_retry(step, invocation_id, row)
        tables.running.delete(invocation_id)
    else:
        unpark(step, invocation_id, row)
    if row.sleeps:
        disarm_sleeps(step, invocation_id)
    if row.listens:
        stop_listening(step, invocation_id, row)
    answer(step, invocation_id, row, outcome)
    retain(step, invocation_id, row, outcome)
    release(step, row)


def answer(step: Step, invocation_id: InvocationId, row: Invocation, outcome: Outcome) -> None:
    """Tell everyone who waits for the result, in the order in which they came."""
    for caller in row.callers:
        step.deliver(Respond(caller, outcome))
    if row.further_callers:
        callers = step.tables.callers
        further = callers.rows(invocation_id)
        for key, _ in further:
            callers.delete(invocation_id, key)
        for one in sorted([one for _, one in further], key=attrgetter("place")):
            step.deliver(Respond(one.caller, outcome))
    step.act(Finish(invocation_id, outcome))


def wait_for(step: Step, invocation_id: InvocationId, row: Invocation, caller: Caller) -> None:
    """Note who waits for the result, once: the first few in the row, which would grow with all."""
    tables, count = step.tables, row.further_callers
    if caller in row.callers:
        return
    if len(row.callers) < CALLERS_IN_ROW:
        waiting = replace(row, callers=(*row.callers, caller))
    else:
        key = caller_key(caller)
        if count and tables.callers.get(invocation_id, key) is not None:
            return
        tables.callers.put(invocation_id, key, FurtherCaller(count, caller))
        waiting = replace(row, further_callers=count + 1)
    tables.invocations.put(invocation_id, waiting)


def retain(step: Step, invocation_id: InvocationId, row: Invocation, outcome: Outcome) -> None:
    """Keep result and journal for as long as asked (service protocol 10.5)."""
    tables, retention = step.tables, row.retention
    if retention.completion_ms <= 0:
        free(step, invocation_id, row)
        return
    journal_gone = retention.journal_ms <= 0
    if journal_gone:
        forget_journal(step, invocation_id, row)
    elif retention.journal_ms < retention.completion_ms:
        keep_until(step, invocation_id, retention.journal_ms, journal_only=True)
    keep_until(step, invocation_id, retention.completion_ms, journal_only=False)
    ended = replace(
        row,
        status=Completed(step.now, outcome, journal_gone),
        modified_at=step.now,
        callers=(),
        further_callers=0,
        sleeps=0,
        listens=0,
        events=0 if journal_gone else row.events,
    )
    tables.invocations.put(invocation_id, ended)


def keep_until(
    step: Step, invocation_id: InvocationId, retention_ms: int, *, journal_only: bool
) -> None:
    """Note when the invocation, or only its journal, is to be forgotten."""
    until = kept_until(step.now, retention_ms)
    step.tables.expiries.insert(expiry_key(until, invocation_id, journal_only=journal_only), b"")
    step.act(WatchExpiry(until))


def kept_until(completed_at: int, retention_ms: int) -> int:
    """Say when a retention is over, in milliseconds since 1970; the longest never is."""
    until = completed_at + retention_ms
    return until if until < INSTANT_MAX else INSTANT_MAX  # noqa: FURB136 - faster than min()


def expires_at(row: Invocation) -> int | None:
    """Say when an ended invocation is forgotten, in milliseconds since 1970."""
    if not isinstance(row.status, Completed):
        return None
    return kept_until(row.status.completed_at, row.retention.completion_ms)


def purge(step: Step, invocation_id: InvocationId, row: Invocation) -> None:
    """Forget an ended invocation, and a workflow's state and promises with its run."""
    assert isinstance(row.status, Completed)
    forget_journal_expiry(step, invocation_id, row, row.status)
    until = kept_until(row.status.completed_at, row.retention.completion_ms)
    step.tables.expiries.delete(expiry_key(until, invocation_id, journal_only=False))
    free(step, invocation_id, row)


def forget_journal_expiry(
    step: Step, invocation_id: InvocationId, row: Invocation, status: Completed
) -> None:
    """Take back the note of when the journal goes, if it has a time of its own."""
    retention = row.retention
    if status.journal_purged or retention.journal_ms >= retention.completion_ms:
        return
    until = kept_until(status.completed_at, retention.journal_ms)
    step.tables.expiries.delete(expiry_key(until, invocation_id, journal_only=True))


def free(step: Step, invocation_id: InvocationId, row: Invocation) -> None:
    """Make the id of an ended invocation free again, and with a workflow's run its key."""
    if row.target.kind.once:
        clear_workflow(step, object_key(row.target))
    forget(step, invocation_id, row)


def clear_workflow(step: Step, group: bytes) -> None:
    """Drop state and promises, but not who waits for a promise: another run may complete it."""
    step.tables.states.drop(group)
    for name, promise in step.tables.promises.rows(group):
        if not isinstance(promise, Pending):
            step.tables.promises.delete(group, name)


def forget(step: Step, invocation_id: InvocationId, row: Invocation) -> None:
    """Remove row and journal."""
    forget_journal(step, invocation_id, row)
    step.tables.invocations.delete(invocation_id)


def forget_journal(step: Step, invocation_id: InvocationId, row: Invocation) -> None:
    """Drop the entries and events of an invocation, if there still are any."""
    step.tables.journals.drop_counted(invocation_id, kept_journal(row).entries, index_key)
    forget_events(step, invocation_id, row)


def withdraw(step: Step, invocation_id: InvocationId, row: Invocation, outcome: Failure) -> None:
    """End an invocation that never started: out of the line or off its timer, and forgotten."""
    match row.status:
        case Inboxed(position):
            step.tables.lines.delete(position)
        case Scheduled(start_at):
            step.tables.timers.delete(timer_key(Timer(start_at, TimerKind.START, invocation_id)))
        case _:
            raise AssertionError(f"{row.status} has started")
    answer(step, invocation_id, row, outcome)
    forget(step, invocation_id, row)
