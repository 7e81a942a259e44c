"""New invocations: told from repetitions by their id, started now, later, or in turn."""

from __future__ import annotations

from msgspec.structs import replace

from perdure.core.machine.actions import ArmTimer
from perdure.core.machine.endings import expires_at, purge, wait_for
from perdure.core.machine.starts import admit
from perdure.core.machine.step import Step
from perdure.core.model.invocations import Completed, Invocation, Scheduled
from perdure.core.model.journals import JournalEntry, JournalSize
from perdure.core.model.records import Invoke, Respond
from perdure.core.model.timers import Timer, TimerKind
from perdure.core.model.verdicts import Admission
from perdure.core.tables.keys import index_key, timer_key
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Failure

ALREADY_INVOKED = Failure(409, "the workflow method was already invoked")

#: Status of a new row until :func:`begin` gives it its first real one.
NOT_STARTED = Scheduled(0)

_INPUT_INDEX = index_key(0)
_ONLY_INPUT = JournalSize(entries=1, commands=1)


def invoke(step: Step, body: Invoke) -> Admission:
    """Run a handler, unless an invocation with this id is known."""
    existing = None if body.drawn else known(step, body.invocation_id)
    if existing is not None:
        join(step, body, existing)
        return Admission(existing.execution_time, existing)
    row = Invocation(
        target=body.target,
        status=NOT_STARTED,
        created_at=step.now,
        modified_at=step.now,
        retention=body.retention,
        journal=_ONLY_INPUT,
        callers=() if body.caller is None else (body.caller,),
        origin=body.origin,
        idempotency_key=body.idempotency_key,
        execution_time=body.execution_time,
    )
    entry = JournalEntry(step.now, body.input)
    step.tables.journals.put(body.invocation_id, _INPUT_INDEX, entry)
    begin(step, body.invocation_id, row)
    return Admission(body.execution_time)


def known(step: Step, invocation_id: InvocationId) -> Invocation | None:
    """Give the row of an id, and forget it first if its retention has passed.

    The sweep that expires results may be late; a key whose time is over is free all the same.
    """
    row = step.tables.invocations.get(invocation_id)
    if row is None:
        return None
    limit = expires_at(row)
    if limit is None or step.now < limit:
        return row
    purge(step, invocation_id, row)
    return None


def join(step: Step, body: Invoke, existing: Invocation) -> None:
    """Let the caller of a repetition wait for, or have, what the first one came to."""
    if body.caller is None:
        return
    if existing.target.kind.once:
        step.deliver(Respond(body.caller, ALREADY_INVOKED))
        return
    match existing.status:
        case Completed(_, outcome):
            step.deliver(Respond(body.caller, outcome))
        case _:
            wait_for(step, body.invocation_id, existing, body.caller)


def begin(step: Step, invocation_id: InvocationId, row: Invocation) -> None:
    """Start a new invocation: at its execution time if that is to come, else now or in turn."""
    start_at = row.execution_time
    if start_at is None or start_at <= step.now:
        admit(step, invocation_id, row)
        return
    timer = Timer(start_at, TimerKind.START, invocation_id)
    step.tables.timers.insert(timer_key(timer), b"")
    step.act(ArmTimer(timer))
    step.tables.invocations.put(invocation_id, replace(row, status=Scheduled(start_at)))
