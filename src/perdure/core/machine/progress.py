"""What an attempt did: its commands take effect in order, then its ending if it came to one."""

from __future__ import annotations

from msgspec.structs import replace

from perdure.core.machine.endings import end
from perdure.core.machine.entries.effects import EFFECTS, Work
from perdure.core.machine.retrying import fail
from perdure.core.machine.starts import run
from perdure.core.machine.step import Journal, Step
from perdure.core.model.awaiting import Settled, is_ordered, settle_stored
from perdure.core.model.invocations import Invocation, Problem, Running, Suspended
from perdure.core.model.journals import JournalSize
from perdure.core.model.records import Ended, Failed, Progress
from perdure.core.model.records import Suspended as AttemptSuspended
from perdure.core.model.retries import RetryPolicy
from perdure.core.tables.keys import index_key
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import (
    Completion,
    Notification,
    Outcome,
    Output,
    Signal,
)

NO_OUTPUT = Problem(571, "the handler ended without an output", doc_code="RT0012")


def progress(step: Step, body: Progress) -> None:
    """Apply what an attempt did, unless a newer attempt has begun (invariant I4)."""
    invocation_id = body.invocation_id
    row = step.tables.invocations.get(invocation_id)
    if row is None or row.attempt != body.attempt or not isinstance(row.status, Running):
        return
    if body.entries:
        row = record(step, invocation_id, row, body)
    ending = body.ending
    # Struct classes have a metaclass, which makes an isinstance that fails slow, as cases do.
    if ending is None:
        step.tables.invocations.put(invocation_id, row)
    elif type(ending) is Ended:
        finish(step, invocation_id, row, body)
    elif type(ending) is AttemptSuspended:
        suspend(step, invocation_id, row, ending)
    elif type(ending) is Failed:
        fail(step, invocation_id, row, ending)


def record(step: Step, invocation_id: InvocationId, row: Invocation, body: Progress) -> Invocation:
    """Append the entries to the journal, each followed by its immediate answers."""
    commands_before = row.journal.commands
    journal = Journal(step, invocation_id, row.journal.entries, commands_before)
    work = Work(step, invocation_id, row, journal, iter(body.callees))
    for entry in body.entries:
        EFFECTS[type(entry)](work, entry)
    status = row.status
    assert isinstance(status, Running)
    if status.failures_since_progress and journal.commands > commands_before:
        status = replace(status, failures_since_progress=0)
    return replace(
        row,
        status=status,
        modified_at=step.now,
        journal=JournalSize(journal.entries, journal.commands),
        pin=row.pin or body.pin,
        sleeps=row.sleeps + work.sleeps,
        listens=row.listens + work.listens,
    )


def finish(step: Step, invocation_id: InvocationId, row: Invocation, body: Progress) -> None:
    """End with the last output, which this record or an earlier attempt brought."""
    outcome = last_output(body) or stored_output(step, invocation_id, row)
    if outcome is None:
        fail(step, invocation_id, row, Failed(NO_OUTPUT, RetryPolicy(), chance=0.0))
        return
    end(step, invocation_id, row, outcome)


def last_output(body: Progress) -> Outcome | None:
    """Find the result among the entries of one record."""
    for entry in reversed(body.entries):
        if isinstance(entry, Output):
            return entry.result
    return None


def stored_output(step: Step, invocation_id: InvocationId, row: Invocation) -> Outcome | None:
    """Find the result in the journal, where an earlier record left it: most likely at its end."""
    for index in reversed(range(row.journal.entries)):
        entry = step.tables.journals.get(invocation_id, index_key(index))
        if entry is not None and isinstance(entry.message, Output):
            return entry.message.result
    return None


def suspend(
    step: Step, invocation_id: InvocationId, row: Invocation, suspended: AttemptSuspended
) -> None:
    """Wait, unless what is waited for came while the attempt was ending."""
    came = notifications(step, invocation_id, row, suspended.seen)
    left = settle_stored(suspended.awaiting, came)
    if isinstance(left, Settled):
        run(step, invocation_id, row)
        return
    step.tables.running.delete(invocation_id)
    step.tables.parked.insert(invocation_id, b"")
    waiting = replace(row, status=Suspended(left, is_ordered(left)), modified_at=step.now)
    step.tables.invocations.put(invocation_id, waiting)


def notifications(
    step: Step, invocation_id: InvocationId, row: Invocation, start: int
) -> list[Notification]:
    """Give the notifications of a journal from an index on, in order."""
    entries = step.tables.journals.tail(invocation_id, start, row.journal.entries, index_key)
    return [one.message for one in entries if isinstance(one.message, Completion | Signal)]
