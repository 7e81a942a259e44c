"""What an invocation would leave behind when it stops: its attempt, timers, places among listeners.

Invariant I6 the other way round: whatever is listed in a table waits for something that lives.
"""

from __future__ import annotations

from msgspec.structs import replace

from perdure.core.machine.actions import StopAttempt
from perdure.core.machine.listening import leave
from perdure.core.machine.starts import next_attempt
from perdure.core.machine.step import Step
from perdure.core.model.invocations import Caller, Invocation, Running
from perdure.core.model.promises import Pending
from perdure.core.model.timers import Timer, TimerKind
from perdure.core.tables.keys import object_key, timer_key
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import CompletionKind, GetPromise, Sleep


def stop(step: Step, invocation_id: InvocationId, row: Invocation) -> Invocation:
    """Make sure that nothing more is heard of the open attempt, and give the row without it."""
    if not isinstance(row.status, Running):
        return row
    disarm_retry(step, invocation_id, row)
    step.act(StopAttempt(invocation_id))
    return replace(row, attempt=next_attempt(step))


def disarm_retry(step: Step, invocation_id: InvocationId, row: Invocation) -> None:
    """Take back the timer of an invocation that backs off."""
    if isinstance(row.status, Running) and row.status.retry_at is not None:
        timer = Timer(row.status.retry_at, TimerKind.RETRY, invocation_id)
        step.tables.timers.delete(timer_key(timer))


def disarm_sleeps(step: Step, invocation_id: InvocationId) -> None:
    """Take back the timers of sleeps that did not end."""
    timers = step.tables.timers
    for _, entry in step.tables.journals.rows(invocation_id):
        if isinstance(entry.message, Sleep):
            due_at, number = entry.message.wake_up_time, entry.message.result_completion_id
            key = timer_key(Timer(due_at, TimerKind.SLEEP, invocation_id, number))
            if timers.get(key) is not None:
                timers.delete(key)


def stop_listening(step: Step, invocation_id: InvocationId, row: Invocation) -> None:
    """Let the invocation wait no longer for promises that were not completed."""
    promises, group = step.tables.promises, object_key(row.target)
    for _, entry in step.tables.journals.rows(invocation_id):
        message = entry.message
        if not isinstance(message, GetPromise):
            continue
        name = message.key.encode()
        pending = promises.get(group, name)
        if isinstance(pending, Pending):
            number, kind = message.result_completion_id, CompletionKind.GET_PROMISE
            leave(step, group, name, pending, Caller(invocation_id, number, kind, row.created_at))
