"""Timers that fire in one record: in order, each once, as if each had a record of its own."""

from __future__ import annotations

import pytest
from machine_values import (
    GREET,
    SECOND,
    A,
    B,
    C,
    add,
    failed,
    sleep,
    slept,
    waits,
)

from perdure.core.machine.actions import Notify, StartAttempt
from perdure.core.model.invocations import Inboxed, Paused, Running, Scheduled, Suspended
from perdure.core.model.timers import Timer, TimerKind


def test_all_wake_in_the_order_of_the_record(world):
    until = world.now + SECOND
    timers = [Timer(until, TimerKind.SLEEP, who, 1) for who in (C, A, B)]
    for who in (A, B, C):
        world.invoke(GREET, who)
        world.progress(who, sleep(until, number=1), ending=waits(1))
    records = len(world.records)
    world.fire(*timers)
    assert len(world.records) == records + 1
    assert world.started == [C, A, B]
    assert not world.image.timers


def test_one_whose_row_is_gone_does_not_keep_the_others(world):
    until = world.now + SECOND
    for who in (A, B):
        world.invoke(GREET, who)
        world.progress(who, sleep(until, number=1), ending=waits(1))
    world.kill(A)
    world.fire(*(Timer(until, TimerKind.SLEEP, who, 1) for who in (A, B, C)))
    assert world.started == [B]


def test_one_that_stands_twice_in_a_record_or_comes_again_wakes_once(world):
    until = world.now + SECOND
    world.invoke(GREET, A)
    world.progress(A, sleep(until, number=1), ending=waits(1))
    timer = Timer(until, TimerKind.SLEEP, A, 1)
    world.fire(timer, timer)
    assert world.started == [A]
    assert world.fire(timer) == []
    assert world.journal(A)[1:] == [slept(1)]


@pytest.mark.parametrize(("waiting_for", "told"), [((1,), [2]), ((2,), []), ((1, 2), [2])])
def test_two_sleeps_of_one_invocation_wake_it_once_and_both_are_in_its_journal(
    world, waiting_for, told
):
    first, second = world.now + SECOND, world.now + SECOND + 1
    world.invoke(GREET, A)
    did = [sleep(first, number=1), sleep(second, number=2)]
    world.progress(A, *did, ending=waits(*waiting_for))
    attempt = world.row(A).attempt + 1
    actions = world.advance(SECOND + 1, late=True)
    assert world.journal(A)[2:] == [slept(1), slept(2)]
    # The attempt reads the second one in its journal, and drops what it is told.
    notified = [Notify(A, 4, slept(number)) for number in told]
    assert actions == [StartAttempt(A, attempt), *notified]
    assert world.row(A).sleeps == 0


def test_an_open_attempt_is_told_of_both_of_its_sleeps(world):
    world.invoke(GREET, A)
    world.progress(A, sleep(world.now + 1, number=1), sleep(world.now + 2, number=2))
    actions = world.advance(SECOND, late=True)
    assert actions == [Notify(A, 3, slept(1)), Notify(A, 4, slept(2))]


def test_who_is_scheduled_on_one_key_gets_it_in_order(world):
    at = world.now + SECOND
    for who in (A, B, C):
        world.invoke(add("k"), who, at=at)
    world.fire(*(Timer(at, TimerKind.START, who) for who in (B, C, A)))
    assert world.started == [B]
    assert world.line(add("k")) == [C, A]
    assert [world.status(who) for who in (A, B, C)] == [Inboxed, Running, Inboxed]
    world.end(B)
    assert world.started == [C]


@pytest.mark.parametrize("sleep_is_due", [-1, 1])
def test_a_retry_and_a_sleep_of_one_invocation(world, sleep_is_due):
    world.invoke(GREET, A)
    due_at = world.now + SECOND + sleep_is_due
    world.progress(A, sleep(due_at, number=1), ending=failed(next_retry_ms=SECOND))
    assert sorted({timer.kind for timer in world.armed}) == [TimerKind.SLEEP, TimerKind.RETRY]
    actions = world.advance(10 * SECOND, late=True)
    assert [one for one in actions if isinstance(one, StartAttempt)] == [
        StartAttempt(A, world.row(A).attempt)
    ]
    assert world.journal(A)[-1] == slept(1)
    assert not world.image.timers


def test_each_kind_finds_its_invocation_in_another_status(world):
    until = world.now + SECOND
    world.invoke(GREET, A)
    world.progress(A, sleep(until, number=1))
    world.pause(A)
    world.invoke(GREET, B, at=until)
    world.invoke(GREET, C)
    world.progress(C, sleep(until, number=1), sleep(until + 1, number=2), ending=waits(2))
    assert [world.status(who) for who in (A, B, C)] == [Paused, Scheduled, Suspended]
    world.advance(SECOND, late=True)
    assert [world.status(who) for who in (A, B, C)] == [Paused, Running, Suspended]
    assert world.started == [B]
