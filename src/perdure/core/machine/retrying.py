"""Failed attempts: tried again after a delay, paused, or ended (service protocol 7.1 and 7.2)."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from perdure.core.machine.actions import ArmTimer
from perdure.core.machine.endings import end
from perdure.core.machine.events import note
from perdure.core.machine.starts import next_attempt, run
from perdure.core.machine.step import Step
from perdure.core.model import events
from perdure.core.model.invocations import Invocation, Paused, Problem, Running
from perdure.core.model.records import Failed
from perdure.core.model.retries import OnExhausted
from perdure.core.model.timers import Timer, TimerKind
from perdure.core.tables.keys import INSTANT_MAX, timer_key
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import ErrorBehavior, Failure

#: Problems that say nothing about the handler do not count for what the SDK is told (7.7).
_NOT_THE_HANDLER = frozenset({"RT0011", "RT0013", "RT0014", "RT0015"})
#: A delay that a service asks for and that is at least as long is used as it is, in milliseconds.
LEAST_DELAY_MS_MAX: Final = 50


def fail(step: Step, invocation_id: InvocationId, row: Invocation, failed: Failed) -> None:
    """Decide what follows a failed attempt."""
    status = row.status
    assert isinstance(status, Running)
    if failed.behavior is ErrorBehavior.PAUSE:
        give_up(step, invocation_id, row, failed.problem)
        return
    if failed.behavior is ErrorBehavior.FAIL:
        end(step, invocation_id, row, as_failure(failed.problem))
        return
    if failed.next_retry_ms is not None:
        # An override is used as it is, and does not consume an attempt.
        delay_ms = max(failed.next_retry_ms, least_delay_ms(status))
        back_off(step, invocation_id, row, failed, delay_ms)
        return
    row = replace(row, status=replace(status, failures=status.failures + 1))
    delay = failed.policy.delay_ms(status.failures + 1, failed.chance)
    if delay is not None:
        back_off(step, invocation_id, row, failed, delay)
    elif failed.policy.on_exhausted is OnExhausted.PAUSE:
        give_up(step, invocation_id, row, failed.problem)
    else:
        end(step, invocation_id, row, as_failure(failed.problem))


def least_delay_ms(status: Running) -> int:
    """Give the least delay after attempts in a row that failed, and had chosen their own delay.

    They are not counted against the policy: a service that wants to be asked again at once would
    otherwise keep this server busy for ever.
    """
    return min(status.failures_since_progress, LEAST_DELAY_MS_MAX)


def back_off(
    step: Step, invocation_id: InvocationId, row: Invocation, failed: Failed, delay_ms: int
) -> None:
    """Arm the timer of the next attempt, under whose number nothing of this one counts."""
    status = row.status
    assert isinstance(status, Running)
    retry_at = min(step.now + delay_ms, INSTANT_MAX)
    timer = Timer(retry_at, TimerKind.RETRY, invocation_id)
    step.tables.timers.insert(timer_key(timer), b"")
    step.act(ArmTimer(timer))
    row = note(step, invocation_id, row, events.TransientError(failed.problem))
    counted = failed.problem.doc_code not in _NOT_THE_HANDLER
    backing_off = replace(
        status,
        retry_at=retry_at,
        problem=failed.problem,
        failures_since_progress=status.failures_since_progress + counted,
    )
    step.tables.invocations.put(
        invocation_id,
        replace(row, status=backing_off, attempt=next_attempt(step), modified_at=step.now),
    )


def give_up(step: Step, invocation_id: InvocationId, row: Invocation, problem: Problem) -> None:
    """Pause for a failure, which stands among the events."""
    noted = note(step, invocation_id, row, events.Paused(problem))
    pause(step, invocation_id, noted, problem)


def pause(
    step: Step, invocation_id: InvocationId, row: Invocation, problem: Problem | None
) -> None:
    """Stop until someone resumes or cancels the invocation; it keeps its key."""
    step.tables.running.delete(invocation_id)
    step.tables.parked.insert(invocation_id, b"")
    paused = replace(row, status=Paused(problem), modified_at=step.now)
    step.tables.invocations.put(invocation_id, paused)


def retry(step: Step, timer: Timer) -> None:
    """Start the next attempt of an invocation that backed off; its failures stay counted."""
    row = step.tables.invocations.get(timer.invocation_id)
    assert row is not None, "an invocation that backs off has a row"
    status = row.status
    assert isinstance(status, Running), "its timer is taken away when it ends or pauses"
    assert status.retry_at == timer.due_at, "it has one timer at a time"
    run(step, timer.invocation_id, row, replace(status, retry_at=None))


def as_failure(problem: Problem) -> Failure:
    """Turn the problem of an invocation's last attempt into its result."""
    return Failure(problem.code, problem.message)
