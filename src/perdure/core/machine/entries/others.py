"""Commands that reach other invocations: signals, awakeables, attach and get-output."""

from __future__ import annotations

from perdure.core.machine.entries.work import Work
from perdure.core.model.records import Attach, Cancel, ReadOutput, SignalReceived
from perdure.protocol.ids import (
    InvocationId,
    idempotent_id,
    parse_awakeable_id,
    parse_invocation_id,
    workflow_run_id,
)
from perdure.protocol.messages import (
    SIGNAL_CANCEL,
    AttachInvocation,
    AttachTarget,
    CompleteAwakeable,
    CompletionKind,
    GetInvocationOutput,
    IdempotentRequestTarget,
    InvocationTarget,
    SendSignal,
    WorkflowTarget,
)


def send_signal(work: Work, command: SendSignal) -> None:
    """Send a signal; the one that cancels also reaches invocations that have not begun."""
    work.journal.command(command)
    target = parse_invocation_id(command.target_invocation_id)
    if command.signal == SIGNAL_CANCEL:
        work.step.deliver(Cancel(target))
    else:
        work.step.deliver(SignalReceived(target, command.signal, command.result))


def complete_awakeable(work: Work, command: CompleteAwakeable) -> None:
    """Send the signal that an awakeable stands for."""
    work.journal.command(command)
    target, index = parse_awakeable_id(command.awakeable_id)
    work.step.deliver(SignalReceived(target, index, command.result))


def attach_invocation(work: Work, command: AttachInvocation) -> None:
    """Wait for the result of another invocation."""
    work.journal.command(command)
    caller = work.caller(CompletionKind.ATTACH_INVOCATION, command.result_completion_id)
    work.step.deliver(Attach(resolve(command.target), caller))


def get_invocation_output(work: Work, command: GetInvocationOutput) -> None:
    """Read the result of another invocation, if it has ended."""
    work.journal.command(command)
    caller = work.caller(CompletionKind.GET_INVOCATION_OUTPUT, command.result_completion_id)
    work.step.deliver(ReadOutput(resolve(command.target), caller))


def resolve(target: AttachTarget) -> InvocationId:
    """Give the id of an invocation by whichever name it was called.

    Raises:
        IdentifierError: a textual id has another form.
    """
    match target:
        case InvocationTarget(text):
            return parse_invocation_id(text)
        case WorkflowTarget(name, key):
            return workflow_run_id(name, key)
        case IdempotentRequestTarget(service, handler, idempotency_key, key):
            return idempotent_id(service, handler, idempotency_key, key)
