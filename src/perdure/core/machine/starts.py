"""Starting invocations: admission to exclusive keys, the line behind them, and new attempts.

Invariant I5: a key has a lock exactly while one admitted invocation on it has not ended; all others
stand in line in the order in which they arrived, and so do changes of its state from outside.
"""

from __future__ import annotations

from msgspec.structs import replace

from perdure.core.machine.actions import StartAttempt
from perdure.core.machine.mutations import mutate
from perdure.core.machine.step import Step
from perdure.core.model.invocations import Inboxed, Invocation, Paused, Running, Suspended
from perdure.core.tables.keys import object_key, place_key
from perdure.core.tables.tables import ATTEMPTS, Lock
from perdure.protocol.ids import InvocationId

_FRESH = Running()
_PARKED = frozenset({Suspended, Paused})


def admit(step: Step, invocation_id: InvocationId, row: Invocation) -> None:
    """Run an invocation whose time has come, or put it in line for its key."""
    if not row.target.kind.exclusive:
        run(step, invocation_id, row)
        return
    tables, group = step.tables, object_key(row.target)
    lock = tables.locks.get(group)
    if lock is None:
        tables.locks.insert(group, Lock(invocation_id))
        run(step, invocation_id, row)
        return
    position = place_key(group, lock.tail)
    tables.lines.insert(position, invocation_id)
    tables.locks.put(group, replace(lock, tail=lock.tail + 1))
    waiting = replace(row, status=Inboxed(position), modified_at=step.now, inboxed_at=step.now)
    tables.invocations.put(invocation_id, waiting)


def run(step: Step, invocation_id: InvocationId, row: Invocation, status: Running = _FRESH) -> None:
    """Begin a new attempt, unless told otherwise with a fresh count of failures."""
    attempt = next_attempt(step)
    running = replace(
        row,
        status=status,
        attempt=attempt,
        modified_at=step.now,
        running_at=step.now if row.running_at is None else row.running_at,
    )
    step.tables.invocations.put(invocation_id, running)
    if type(row.status) is not Running:
        step.tables.running.insert(invocation_id, b"")
        unpark(step, invocation_id, row)
    step.act(StartAttempt(invocation_id, attempt))


def unpark(step: Step, invocation_id: InvocationId, row: Invocation) -> None:
    """Take an invocation that goes on, or ends, from the list of those that do not run."""
    if type(row.status) in _PARKED:
        step.tables.parked.delete(invocation_id)


def next_attempt(step: Step) -> int:
    """Give a number that no attempt in this partition had before (invariant I4)."""
    facts = step.tables.facts
    number = (facts.get(ATTEMPTS) or 0) + 1
    facts.put(ATTEMPTS, number)
    return number


def release(step: Step, row: Invocation) -> None:
    """Hand the key of an invocation that ended to the first in line, after mutations before it."""
    if not row.target.kind.exclusive:
        return
    tables, group = step.tables, object_key(row.target)
    lock = tables.locks.get(group)
    assert lock is not None, "an admitted exclusive invocation holds its key"
    for place in range(lock.head, lock.tail):
        position = place_key(group, place)
        waiting = tables.lines.get(position)
        if waiting is None:
            mutation = tables.mutations.get(position)
            if mutation is not None:  # else it was cancelled while it waited
                mutate(step, group, mutation)
                tables.mutations.delete(position)
            continue
        next_id = InvocationId(waiting)
        next_row = tables.invocations.get(next_id)
        assert next_row is not None, "whoever stands in line has a row"
        assert isinstance(next_row.status, Inboxed), "whoever stands in line has not started"
        tables.lines.delete(position)
        tables.locks.put(group, Lock(next_id, place + 1, lock.tail))
        run(step, next_id, next_row)
        return
    tables.locks.delete(group)
