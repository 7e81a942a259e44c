"""Pause and resume by hand."""

from __future__ import annotations

import pytest
from machine_values import (
    BROKEN,
    GREET,
    HOUR,
    A,
    B,
    add,
    call,
    failed,
    output,
    returned,
    run,
    sleep,
    slept,
    waits,
)

from perdure.core.machine.actions import StartAttempt, StopAttempt
from perdure.core.model.invocations import Inboxed, Paused, Pin, Running, Suspended
from perdure.core.model.verdicts import Verdict
from perdure.protocol.ids import DeploymentId

ELSEWHERE = Pin(DeploymentId("dp_2"), 6)


def test_pausing_stops_the_attempt_and_resuming_starts_another(world):
    world.invoke(GREET, A)
    first = world.attempts[A]
    world.pause(A)
    assert world.actions == [StopAttempt(A)]
    world.restart()
    world.resume(A)
    assert [type(action) for action in world.actions] == [StartAttempt]
    assert world.attempts[A] > first


def test_the_stopped_attempt_says_nothing_more(world):
    world.invoke(GREET, A)
    first = world.attempts[A]
    world.pause(A)
    before = world.image.held
    world.progress(A, run(1), attempt=first)
    assert world.image.held == before
    world.resume(A)
    before = world.image.held
    world.progress(A, run(1), attempt=first)
    assert world.image.held == before


def test_a_paused_invocation_keeps_its_key(world):
    world.invoke(add(), A)
    world.invoke(add(), B)
    world.pause(A)
    assert world.status(B) is Inboxed


def test_a_paused_invocation_takes_what_comes_and_sleeps_on(world):
    world.invoke(GREET, A)
    world.progress(A, call(B, number=1), sleep(world.now + HOUR, number=3), ending=waits(2, 3))
    world.pause(A)
    world.end(B)
    world.advance(HOUR)
    assert world.status(A) is Paused
    assert world.journal(A)[-2:] == [returned(2, output().result), slept(3)]


def test_a_suspended_one_stays_paused_until_it_is_resumed(world):
    world.invoke(GREET, A)
    world.progress(A, ending=waits(signals=[17]))
    assert world.pause(A) is Verdict.ACCEPTED
    world.signal(A, 17)
    assert world.status(A) is Paused
    world.resume(A)
    assert world.started == [A]


def test_resuming_a_suspended_one_starts_an_attempt(world):
    world.invoke(GREET, A)
    world.progress(A, ending=waits(signals=[17]))
    assert world.resume(A) is Verdict.DONE
    assert world.started == [A]
    world.progress(A, ending=waits(signals=[17]))
    assert world.status(A) is Suspended


def test_pausing_what_backs_off_keeps_the_reason_and_takes_the_timer(world):
    world.invoke(GREET, A)
    world.fail(A, failed())
    world.pause(A)
    assert world.row(A).status == Paused(BROKEN)
    assert not world.image.timers


def test_resuming_counts_failures_from_the_beginning(world):
    world.invoke(GREET, A)
    for _ in range(3):
        world.fail(A, failed())
        world.advance(HOUR)
    world.fail(A, failed())
    assert world.status(A) is Paused
    world.resume(A)
    assert world.row(A).status == Running()
    world.fail(A, failed())
    assert world.status(A) is Running


def test_resuming_what_runs_changes_nothing(world):
    world.invoke(GREET, A)
    before = world.image.held
    assert world.resume(A) is Verdict.DONE
    assert world.actions == []
    assert world.image.held == before


@pytest.mark.parametrize("stop", ["pause", "suspend"])
def test_resuming_may_move_to_another_deployment(world, stop):
    world.invoke(GREET, A)
    world.progress(A, run(1), pin=Pin(DeploymentId("dp_1"), 6))
    if stop == "pause":
        world.pause(A)
    else:
        world.suspend(A, 1)
    world.resume(A, ELSEWHERE)
    assert world.row(A).pin == ELSEWHERE


def test_what_runs_or_backs_off_stays_where_it_is(world):
    world.invoke(GREET, A)
    world.progress(A, run(1), pin=Pin(DeploymentId("dp_1"), 6))
    assert world.resume(A, ELSEWHERE) is Verdict.CHANGE_REFUSED
    world.fail(A, failed())
    assert world.resume(A, ELSEWHERE) is Verdict.CHANGE_REFUSED
    assert world.row(A).pin == Pin(DeploymentId("dp_1"), 6)
    assert not world.attempts


def test_cancelling_resumes_a_paused_one(world):
    world.invoke(GREET, A)
    world.pause(A)
    world.cancel(A)
    assert world.started == [A]


def test_pausing_twice_is_pausing_once(world):
    world.invoke(GREET, A)
    world.pause(A)
    before = world.image.held
    assert world.pause(A) is Verdict.DONE
    assert world.image.held == before


def test_a_kill_reaches_a_paused_one(world):
    world.invoke(add(), A)
    world.invoke(add(), B)
    world.pause(A)
    world.kill(A)
    assert world.stopped == []
    assert world.started == [B]
