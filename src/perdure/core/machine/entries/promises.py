"""Durable promises of a workflow: completed once, heard by all who wait."""

from __future__ import annotations

from perdure.core.machine.entries.work import Work
from perdure.core.machine.listening import listen, take_listeners
from perdure.core.model.promises import UNHEARD, Settled
from perdure.core.model.records import Respond
from perdure.core.tables.keys import object_key
from perdure.protocol.messages import (
    VOID,
    CompletePromise,
    CompletionKind,
    Failure,
    GetPromise,
    PeekPromise,
)

ALREADY_COMPLETED = Failure(409, "promise was already completed")


def get_promise(work: Work, command: GetPromise) -> None:
    """Answer with the promise's outcome, now or when it is completed."""
    work.journal.command(command)
    group, name = object_key(work.row.target), command.key.encode()
    promise = work.step.tables.promises.get(group, name)
    if isinstance(promise, Settled):
        work.journal.complete(
            CompletionKind.GET_PROMISE, command.result_completion_id, promise.outcome
        )
        return
    caller = work.caller(CompletionKind.GET_PROMISE, command.result_completion_id)
    work.listens += 1
    listen(work.step, group, name, promise or UNHEARD, caller)


def peek_promise(work: Work, command: PeekPromise) -> None:
    """Answer with the promise's outcome, or with nothing if it is not completed."""
    work.journal.command(command)
    promise = work.step.tables.promises.get(object_key(work.row.target), command.key.encode())
    result = promise.outcome if isinstance(promise, Settled) else VOID
    work.journal.complete(CompletionKind.PEEK_PROMISE, command.result_completion_id, result)


def complete_promise(work: Work, command: CompletePromise) -> None:
    """Complete a promise unless it was completed before."""
    work.journal.command(command)
    group, name = object_key(work.row.target), command.key.encode()
    promise = work.step.tables.promises.get(group, name)
    if isinstance(promise, Settled):
        work.journal.complete(
            CompletionKind.COMPLETE_PROMISE, command.result_completion_id, ALREADY_COMPLETED
        )
        return
    work.step.tables.promises.put(group, name, Settled(command.completion))
    work.journal.complete(CompletionKind.COMPLETE_PROMISE, command.result_completion_id, VOID)
    for caller in take_listeners(work.step, group, name, promise or UNHEARD):
        work.step.deliver(Respond(caller, command.completion))
