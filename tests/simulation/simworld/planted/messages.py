"""Defects of notifications, repetitions and timers."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from perdure.core.attempt.attempt import Attempt as ServerAttempt
from perdure.core.machine import (
    admission,
    apply,
    endings,
    notifications,
    progress,
    retrying,
)
from perdure.core.machine.entries import effects, promises, sleeps
from perdure.core.model.awaiting import settle_stored
from perdure.core.model.invocations import Completed, Suspended
from perdure.core.model.promises import Settled
from perdure.core.model.records import Respond
from perdure.core.tables.keys import object_key
from perdure.engine.invoker import Invoker
from perdure.engine.timers import Timers
from perdure.engine.waiters import Waiters
from perdure.protocol.messages import VOID
from simworld.planted.change import Change, instead


def sleep_through_a_late_wake_up() -> list[Change]:
    return [(progress, "notifications", lambda _step, _id, _row, _start: [])]


def wake_for_what_was_seen() -> list[Change]:
    def make(real):
        return lambda step, invocation_id, row, _start: real(step, invocation_id, row, 0)

    return instead(progress, "notifications", make)


def do_not_wake() -> list[Change]:
    def wake_or_wait(step, invocation_id, row, notification):
        if isinstance(row.status, Suspended):
            left = settle_stored(row.status.awaiting, [notification])
            if isinstance(left, type(notifications.Settled.FAILED)) and (
                left is notifications.Settled.FAILED
            ):
                step.tables.invocations.put(invocation_id, row)
                return
        real(step, invocation_id, row, notification)

    real = notifications.wake_or_wait
    return [(notifications, "wake_or_wait", wake_or_wait)]


def answer_twice() -> list[Change]:
    def make(real):
        def answer(step, invocation_id, row, outcome):
            for caller in row.callers:
                step.deliver(Respond(caller, outcome))
            real(step, invocation_id, row, outcome)

        return answer

    return instead(endings, "answer", make)


def answer_only_the_first() -> list[Change]:
    def make(real):
        return lambda step, invocation_id, row, outcome: real(
            step, invocation_id, replace(row, callers=row.callers[:1]), outcome
        )

    return instead(endings, "answer", make)


def answer_only_one_client() -> list[Change]:
    def make(real):
        def finish(self, invocation_id, outcome):
            for waiter in list(self._by_id.get(invocation_id, ()))[1:]:
                self.forget(waiter)
            real(self, invocation_id, outcome)

        return finish

    return instead(Waiters, "finish", make)


def forward_twice() -> list[Change]:
    def make(real):
        def notification(self, index, message):
            self._known = min(self._known, index)
            return real(self, index, message)

        return notification

    return instead(ServerAttempt, "notification", make)


def do_not_forward_while_closing() -> list[Change]:
    def make(real):
        def notify(self, action):
            if action.index % 7 != 6:
                real(self, action)

        return notify

    return instead(Invoker, "notify", make)


def forget_idempotency() -> list[Change]:
    return [(admission, "known", lambda _step, _invocation_id: None)]


def forget_idempotency_of_the_ended() -> list[Change]:
    def make(real):
        def known(step, invocation_id):
            row = real(step, invocation_id)
            if row is not None and isinstance(row.status, Completed) and not row.callers:
                endings.purge(step, invocation_id, row)
                return None
            return row

        return known

    return instead(admission, "known", make)


def fire_twice() -> list[Change]:
    def fire(step, timer):
        step.tables.timers.delete(apply.timer_key(timer))
        if step.tables.invocations.get(timer.invocation_id) is not None:
            if timer.kind is apply.TimerKind.SLEEP:
                sleeps.wake(step, timer)
            elif timer.kind is apply.TimerKind.START:
                apply.start_scheduled(step, timer)
            else:
                apply.retry(step, timer)

    return [(apply, "fire", fire)]


def complete_a_promise_again() -> list[Change]:
    def complete(work, command):
        work.journal.command(command)
        group, name = object_key(work.row.target), command.key.encode()
        work.step.tables.promises.put(group, name, Settled(command.completion))
        kind = promises.CompletionKind.COMPLETE_PROMISE
        work.journal.complete(kind, command.result_completion_id, VOID)
        promise = work.step.tables.promises.get(group, name)
        for listener in getattr(promise, "listeners", ()):
            work.step.deliver(Respond(listener, command.completion))

    real = promises.complete_promise
    kind = next(kind for kind, effect in effects.EFFECTS.items() if effect is real)
    return [(effects.EFFECTS, kind, complete)]


def ring_early() -> list[Change]:
    def make(real):
        def __init__(self, tables, clock, propose, *bounds):  # noqa: N807 - it takes the place of one
            real(self, tables, _Ahead(clock), propose, *bounds)

        return __init__

    return instead(Timers, "__init__", make)


class _Ahead:
    """A clock that is fast."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def now_ms(self) -> int:
        now: int = self._clock.now_ms()
        return now + 40


def forget_timers_behind_the_window() -> list[Change]:
    def make(real):
        def load(self):
            real(self)
            self._horizon = None

        return load

    return instead(Timers, "load", make)


def start_delayed_requests_at_once() -> list[Change]:
    def make(real):
        return lambda step, invocation_id, row: real(
            step, invocation_id, replace(row, execution_time=None)
        )

    return instead(admission, "begin", make)


def no_second_retry() -> list[Change]:
    def make(real):
        def back_off(step, invocation_id, row, failed, delay_ms):
            real(step, invocation_id, row, failed, delay_ms)
            if row.status.failures > 1:
                status = step.tables.invocations.get(invocation_id).status
                timer = retrying.Timer(status.retry_at, retrying.TimerKind.RETRY, invocation_id)
                step.tables.timers.delete(retrying.timer_key(timer))

        return back_off

    return instead(retrying, "back_off", make)
