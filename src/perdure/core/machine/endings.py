"""Endings: result kept or not, callers answered, key handed on, and what is purged later."""

from __future__ import annotations

from msgspec.structs import replace

from perdure.core.machine.actions import Finish, StopAttempt, WatchExpiry
from perdure.core.machine.starts import release
from perdure.core.machine.step import Step
from perdure.core.model.invocations import (
    Completed,
    Inboxed,
    Invocation,
    Running,
    Scheduled,
)
from perdure.core.model.records import Respond
from perdure.core.model.targets import HandlerKind
from perdure.core.model.timers import Timer, TimerKind
from perdure.core.tables.keys import expiry_key, object_key, timer_key
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Completion, Failure, Outcome, Sleep

NOT_FOUND = Failure(404, "not found")


def end(step: Step, invocation_id: InvocationId, row: Invocation, outcome: Outcome) -> None:
    """End an invocation that was admitted: keep or forget it, answer, and hand on its key."""
    tables = step.tables
    if isinstance(row.status, Running):
        disarm_retry(step, invocation_id, row)
        tables.running.delete(invocation_id)
    if row.sleeps:
        disarm_sleeps(step, invocation_id)
    answer(step, invocation_id, row, outcome)
    retain(step, invocation_id, row, outcome)
    release(step, row)


def answer(step: Step, invocation_id: InvocationId, row: Invocation, outcome: Outcome) -> None:
    """Tell everyone who waits for the result."""
    for caller in row.callers:
        step.deliver(Respond(caller, outcome))
    step.act(Finish(invocation_id, outcome))


def retain(step: Step, invocation_id: InvocationId, row: Invocation, outcome: Outcome) -> None:
    """Keep result and journal for as long as asked (service protocol 10.5)."""
    tables, retention = step.tables, row.retention
    if retention.completion_ms <= 0:
        forget(step, invocation_id, row)
        return
    journal_gone = retention.journal_ms <= 0
    if journal_gone:
        tables.journals.drop(invocation_id)
    elif retention.journal_ms < retention.completion_ms:
        keep_until(step, invocation_id, retention.journal_ms, journal_only=True)
    keep_until(step, invocation_id, retention.completion_ms, journal_only=False)
    ended = replace(
        row,
        status=Completed(step.now, outcome, journal_gone),
        modified_at=step.now,
        callers=(),
        sleeps=0,
    )
    tables.invocations.put(invocation_id, ended)


def keep_until(
    step: Step, invocation_id: InvocationId, retention_ms: int, *, journal_only: bool
) -> None:
    """Note when the invocation, or only its journal, is to be forgotten."""
    expires_at = step.now + retention_ms
    step.tables.expiries.insert(
        expiry_key(expires_at, invocation_id, journal_only=journal_only), b""
    )
    step.act(WatchExpiry(expires_at))


def expires_at(row: Invocation) -> int | None:
    """Say when an ended invocation is forgotten, in milliseconds since 1970."""
    if not isinstance(row.status, Completed):
        return None
    return row.status.completed_at + row.retention.completion_ms


def purge(step: Step, invocation_id: InvocationId, row: Invocation) -> None:
    """Forget an ended invocation, and a workflow's state and promises with its run."""
    assert isinstance(row.status, Completed)
    tables, retention, completed_at = step.tables, row.retention, row.status.completed_at
    for retention_ms, journal_only in (
        (retention.journal_ms, True),
        (retention.completion_ms, False),
    ):
        key = expiry_key(completed_at + retention_ms, invocation_id, journal_only=journal_only)
        if tables.expiries.get(key) is not None:
            tables.expiries.delete(key)
    if row.target.kind is HandlerKind.WORKFLOW:
        group = object_key(row.target)
        tables.states.drop(group)
        tables.promises.drop(group)
    forget(step, invocation_id, row)


def forget(step: Step, invocation_id: InvocationId, row: Invocation) -> None:
    """Remove row and journal."""
    if row.journal.entries:
        step.tables.journals.drop(invocation_id)
    step.tables.invocations.delete(invocation_id)


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


def stop(step: Step, invocation_id: InvocationId, row: Invocation) -> Invocation:
    """Make sure that nothing more is heard of the open attempt, and give the row without it."""
    if not isinstance(row.status, Running):
        return row
    disarm_retry(step, invocation_id, row)
    step.act(StopAttempt(invocation_id))
    return replace(row, attempt=row.attempt + 1)


def disarm_retry(step: Step, invocation_id: InvocationId, row: Invocation) -> None:
    """Take back the timer of an invocation that backs off."""
    if isinstance(row.status, Running) and row.status.retry_at is not None:
        timer = Timer(row.status.retry_at, TimerKind.RETRY, invocation_id, row.attempt)
        step.tables.timers.delete(timer_key(timer))


def disarm_sleeps(step: Step, invocation_id: InvocationId) -> None:
    """Take back the timers of sleeps that did not end."""
    pending: dict[int, int] = {}
    for _, entry in step.tables.journals.rows(invocation_id):
        match entry.message:
            case Sleep(wake_up_time, completion_id):
                pending[completion_id] = wake_up_time
            case Completion(_, completion_id):
                pending.pop(completion_id, None)
            case _:
                pass
    for completion_id, due_at in pending.items():
        timer = Timer(due_at, TimerKind.SLEEP, invocation_id, completion_id)
        step.tables.timers.delete(timer_key(timer))
