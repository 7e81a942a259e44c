"""Sleeps: a durable timer each, and the completion when it fires."""

from __future__ import annotations

from msgspec.structs import replace

from perdure.core.machine.actions import ArmTimer
from perdure.core.machine.entries.work import Work
from perdure.core.machine.notifications import take
from perdure.core.machine.step import Step
from perdure.core.model.timers import Timer, TimerKind
from perdure.core.tables.keys import timer_key
from perdure.protocol.messages import VOID, Completion, CompletionKind, Sleep


def sleep(work: Work, command: Sleep) -> None:
    """Arm a timer; a time that has passed completes at once."""
    work.journal.command(command)
    if command.wake_up_time <= work.step.now:
        work.journal.complete(CompletionKind.SLEEP, command.result_completion_id, VOID)
        return
    timer = Timer(
        command.wake_up_time, TimerKind.SLEEP, work.invocation_id, command.result_completion_id
    )
    work.step.tables.timers.put(timer_key(timer), b"")
    work.step.act(ArmTimer(timer))
    work.sleeps += 1


def wake(step: Step, timer: Timer) -> None:
    """Complete the sleep that a timer was armed for."""
    row = step.tables.invocations.get(timer.invocation_id)
    assert row is not None, "its sleeps are disarmed when an invocation ends"
    completion = Completion(CompletionKind.SLEEP, timer.number, VOID)
    take(step, timer.invocation_id, replace(row, sleeps=row.sleeps - 1), completion)
