"""Calls: the callee's id right behind the command, and the invocation on its way."""

from __future__ import annotations

from perdure.core.machine.entries.work import Work
from perdure.core.model.invocations import Caller, Origin
from perdure.core.model.records import Callee, Invoke
from perdure.core.model.targets import Target
from perdure.protocol.ids import invocation_text
from perdure.protocol.messages import (
    Call,
    CompletionKind,
    Input,
    InvocationIdentity,
    OneWayCall,
    Value,
)


def call(work: Work, command: Call) -> None:
    """Call a handler; its result comes as a completion."""
    callee = start(work, command)
    caller = work.caller(CompletionKind.CALL, command.result_completion_id)
    work.step.deliver(request(work, command, callee, caller, execution_time=None))


def one_way_call(work: Work, command: OneWayCall) -> None:
    """Call a handler, now or later, and hear nothing more of it."""
    callee = start(work, command)
    later = command.invoke_time if command.invoke_time > work.step.now else None
    work.step.deliver(request(work, command, callee, None, execution_time=later))


def start(work: Work, command: Call | OneWayCall) -> Callee:
    """Append the command and tell the caller whom it called."""
    callee = next(work.callees)
    work.journal.command(command, callee.invocation_id)
    work.journal.complete(
        CompletionKind.CALL_INVOCATION_ID,
        command.invocation_id_notification_idx,
        InvocationIdentity(invocation_text(callee.invocation_id)),
    )
    return callee


def request(
    work: Work,
    command: Call | OneWayCall,
    callee: Callee,
    caller: Caller | None,
    *,
    execution_time: int | None,
) -> Invoke:
    """Write the request that the callee's partition gets."""
    return Invoke(
        invocation_id=callee.invocation_id,
        target=Target(command.service_name, command.handler_name, callee.kind, command.key),
        input=Input(Value(command.parameter), command.headers),
        retention=callee.retention,
        idempotency_key=command.idempotency_key,
        execution_time=execution_time,
        caller=caller,
        origin=Origin(work.invocation_id, str(work.row.target)),
        drawn=callee.drawn,
    )
