"""Sleeps: a durable timer each."""

from __future__ import annotations

import pytest
from machine_values import (
    ENDED,
    GREET,
    HOUR,
    MINUTE,
    SECOND,
    A,
    failed,
    output,
    ran,
    run,
    sleep,
    slept,
    waits,
)

from perdure.core.machine.actions import ArmTimer
from perdure.core.model.invocations import Paused, Running, Suspended
from perdure.core.model.records import TimersFired
from perdure.core.model.retries import OnExhausted, RetryPolicy
from perdure.core.model.timers import Timer, TimerKind
from perdure.core.tables.keys import INSTANT_MAX


def test_a_sleep_suspends_until_its_timer(world):
    until = world.now + MINUTE
    world.invoke(GREET, A)
    followed = world.progress(A, sleep(until, number=1), ending=waits(1, signals=[1]))
    assert followed == [ArmTimer(Timer(until, TimerKind.SLEEP, A, 1))]
    assert world.status(A) is Suspended
    world.advance(MINUTE - 1)
    assert world.status(A) is Suspended
    world.advance(1)
    assert world.status(A) is Running
    assert world.journal(A) == [sleep(until, number=1), slept(1)]


@pytest.mark.parametrize("until", [0, 999_999, 1_000_000])
def test_a_time_that_has_passed_completes_at_once(world, until):
    world.invoke(GREET, A)
    world.progress(A, sleep(until, number=1))
    assert world.forwarded == [slept(1)]
    assert not world.image.timers


def test_an_open_attempt_is_told(world):
    world.invoke(GREET, A)
    world.progress(A, sleep(world.now + SECOND, number=1))
    world.advance(SECOND)
    assert world.forwarded == [slept(1)]
    assert world.started == []


def test_an_attempt_that_backs_off_reads_it_in_its_journal(world):
    world.invoke(GREET, A)
    world.progress(A, sleep(world.now + 100, number=1), ending=failed())
    world.advance(100)
    assert world.forwarded == []
    assert world.journal(A)[-1] == slept(1)


def test_a_paused_invocation_keeps_it_for_later(world):
    world.invoke(GREET, A)
    world.progress(A, sleep(world.now + SECOND, number=1))
    world.pause(A)
    world.advance(SECOND)
    assert world.status(A) is Paused
    assert world.journal(A)[-1] == slept(1)


def test_a_timer_that_fires_twice_wakes_once(world):
    world.invoke(GREET, A)
    world.progress(A, sleep(world.now + SECOND, number=1))
    timer = Timer(world.now + SECOND, TimerKind.SLEEP, A, 1)
    world.fire(timer)
    world.fire(timer)
    assert world.journal(A)[1:] == [slept(1)]


def test_the_shorter_of_two_sleeps_wakes_first(world):
    world.invoke(GREET, A)
    world.progress(
        A,
        sleep(world.now + HOUR, number=1),
        sleep(world.now + MINUTE, number=2),
        ending=waits(1, 2),
    )
    world.advance(MINUTE)
    assert world.started == [A]
    assert world.journal(A)[-1] == slept(2)


@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("end", ["end", "kill", "fail"])
def test_sleeps_that_did_not_end_are_disarmed_with_the_invocation(world, end, flushed):
    world.invoke(GREET, A)
    world.progress(A, sleep(world.now + SECOND, number=1), sleep(world.now + HOUR, number=2))
    world.progress(A, sleep(world.now, number=3), run(4), ran(4))
    world.advance(SECOND)
    if flushed:
        world.restart()
    if end == "end":
        world.end(A)
    elif end == "kill":
        world.kill(A)
    else:
        world.fail(A, failed(RetryPolicy(max_attempts=1, on_exhausted=OnExhausted.KILL)))
    assert not world.image.timers
    assert world.advance(HOUR) == []


def test_ids_that_are_used_twice_leave_no_timer_behind(world):
    """No SDK should, but a timer without an invocation must not be left by one that does."""
    world.invoke(GREET, A)
    world.progress(A, sleep(world.now + HOUR, number=1))
    world.progress(A, ran(1))
    world.end(A)
    assert not world.image.timers


def test_a_sleep_can_end_beyond_all_time(world):
    world.invoke(GREET, A)
    world.progress(A, sleep(INSTANT_MAX, number=1), ending=waits(1))
    world.restart()
    assert world.image.timers == {Timer(INSTANT_MAX, TimerKind.SLEEP, A, 1)}
    world.kill(A)


def test_a_sleep_that_ends_in_the_record_that_ends_the_invocation(world):
    world.invoke(GREET, A)
    until = world.now + SECOND
    world.progress(A, sleep(until, number=1), output(), ending=ENDED)
    assert not world.image.timers
    world.apply(TimersFired((Timer(until, TimerKind.SLEEP, A, 1),)))
    assert world.journal(A) == [sleep(until, number=1), output()]
