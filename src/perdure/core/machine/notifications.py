"""Notifications from elsewhere: appended to the journal of whoever waits, who is woken by them.

Invariant I6: a suspended invocation is woken in the very step that appends what it waits for.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from perdure.core.machine.endings import NOT_FOUND, expires_at, wait_for
from perdure.core.machine.loose_ends import disarm_retry
from perdure.core.machine.starts import run
from perdure.core.machine.step import Journal, Step
from perdure.core.model.awaiting import Settled, awaited, settle, tree
from perdure.core.model.invocations import (
    Completed,
    Inboxed,
    Invocation,
    Paused,
    Running,
    Scheduled,
    Suspended,
)
from perdure.core.model.journals import JournalSize
from perdure.core.model.records import Attach, ReadOutput, Respond, SignalReceived
from perdure.core.model.verdicts import Verdict
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import (
    SIGNAL_CANCEL,
    VOID,
    Completion,
    CompletionKind,
    Failure,
    Notification,
    Signal,
    Value,
    Void,
)

#: Entries up to which a journal takes signals: a part of what records mean, and so not a setting.
SIGNALLED_ENTRIES_MAX: Final = 1_000_000

_DEAF: Final = frozenset({Scheduled, Inboxed, Completed})


def notify(step: Step, invocation_id: InvocationId, notification: Notification) -> bool:
    """Append a notification; False if the invocation cannot take one any more or not yet."""
    row = step.tables.invocations.get(invocation_id)
    return row is not None and take(step, invocation_id, row, notification)


def take(
    step: Step, invocation_id: InvocationId, row: Invocation, notification: Notification
) -> bool:
    """Append a notification to the journal of a row that the caller may have changed."""
    if not can_be_told(row):
        return False
    journal = Journal(step, invocation_id, row.journal.entries, row.journal.commands)
    status = row.status
    if type(status) is Running and status.retry_at is None:
        journal.notify(notification)
    else:
        journal.store(notification)
    grown = replace(row, journal=JournalSize(journal.entries, journal.commands))
    wake_or_wait(step, invocation_id, grown, notification)
    return True


def can_be_told(row: Invocation) -> bool:
    """Tell whether an invocation takes notifications: it has begun and not ended."""
    return type(row.status) not in _DEAF


def wake_or_wait(
    step: Step, invocation_id: InvocationId, row: Invocation, notification: Notification
) -> None:
    """Write the row after a notification, and start an attempt if it is what was waited for."""
    status = row.status
    match status:
        case Suspended():
            left = settle(tree(status.awaiting), notification, ordered=status.ordered)
            if isinstance(left, Settled):
                run(step, invocation_id, row)
                return
            row = replace(row, status=Suspended(awaited(left), status.ordered))
        case Paused() if _is_cancellation(notification):
            run(step, invocation_id, row)
            return
        case Running(retry_at=int()) if _is_cancellation(notification):
            # Nobody wants it to run any more: it shall hear of that now, not after the delay.
            disarm_retry(step, invocation_id, row)
            run(step, invocation_id, row, replace(status, retry_at=None))
            return
        case _:
            pass
    step.tables.invocations.put(invocation_id, row)


def _is_cancellation(notification: Notification) -> bool:
    return isinstance(notification, Signal) and notification.signal == SIGNAL_CANCEL


def signal_received(step: Step, body: SignalReceived) -> Verdict:
    """Deliver a signal; one for an invocation that has not begun, or has ended, is dropped.

    So is one for a journal that is beyond use: nobody but its handler can shorten a journal, and
    anybody can signal.
    """
    row = step.tables.invocations.get(body.invocation_id)
    if row is None or row.journal.entries >= SIGNALLED_ENTRIES_MAX:
        return Verdict.NOT_RUNNING
    taken = take(step, body.invocation_id, row, Signal(body.signal, body.result))
    return Verdict.ACCEPTED if taken else Verdict.NOT_RUNNING


def respond(step: Step, body: Respond) -> None:
    """Deliver a result to the invocation that waits for it."""
    caller = body.caller
    row = step.tables.invocations.get(caller.invocation_id)
    if row is None or row.created_at != caller.created_at:
        return  # whoever asked is forgotten, and its id may be in use again
    if caller.kind is CompletionKind.GET_PROMISE:
        row = replace(row, listens=row.listens - 1)
    completion = Completion(caller.kind, caller.completion_id, body.result)
    take(step, caller.invocation_id, row, completion)


def attach(step: Step, body: Attach) -> None:
    """Answer with the result of an ended invocation, or note who waits for it."""
    row = known_row(step, body.invocation_id)
    if row is None:
        step.deliver(Respond(body.caller, NOT_FOUND))
    elif isinstance(row.status, Completed):
        step.deliver(Respond(body.caller, row.status.outcome))
    else:
        wait_for(step, body.invocation_id, row, body.caller)


def read_output(step: Step, body: ReadOutput) -> None:
    """Answer with the result of an invocation if it has ended, else with nothing."""
    row = known_row(step, body.invocation_id)
    result: Void | Value | Failure = VOID
    if row is None:
        result = NOT_FOUND
    elif isinstance(row.status, Completed):
        result = row.status.outcome
    step.deliver(Respond(body.caller, result))


def known_row(step: Step, invocation_id: InvocationId) -> Invocation | None:
    """Give the row of an id unless its retention has passed."""
    row = step.tables.invocations.get(invocation_id)
    if row is None:
        return None
    limit = expires_at(row)
    return row if limit is None or step.now < limit else None
