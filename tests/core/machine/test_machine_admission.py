"""New invocations: once an id, now, later or in turn; and what a repetition gets."""

from __future__ import annotations

import pytest
from machine_values import (
    DAY,
    GREET,
    HOUR,
    JOURNAL_SHORTER,
    NOT_KEPT,
    SECOND,
    A,
    B,
    C,
    add,
    call,
    called,
    look,
    output,
    returned,
    send,
    signup,
    sleep,
    verify,
    waits,
)
from world import World

from perdure.core.machine.actions import ArmTimer, StartAttempt
from perdure.core.machine.admission import ALREADY_INVOKED
from perdure.core.model.invocations import (
    Completed,
    Inboxed,
    Paused,
    Running,
    Scheduled,
    Suspended,
)
from perdure.core.model.timers import Timer, TimerKind
from perdure.core.model.verdicts import Admission
from perdure.protocol.messages import Failure, Value


@pytest.mark.parametrize("target", [GREET, add(), look(), signup(), verify()])
def test_a_new_invocation_starts_at_once(world, target):
    assert world.invoke(target, A) == Admission(execution_time=None)
    assert world.started == [A]
    assert world.status(A) is Running
    assert world.row(A).created_at == world.now


def test_a_delayed_invocation_starts_when_its_time_has_come(world):
    at = world.now + HOUR
    assert world.invoke(GREET, A, at=at) == Admission(at)
    assert world.actions == [ArmTimer(Timer(at, TimerKind.START, A))]
    assert world.advance(HOUR - 1) == []
    assert world.status(A) is Scheduled
    assert [type(action) for action in world.advance(1)] == [StartAttempt]


def test_an_execution_time_that_has_passed_means_now(world):
    assert world.invoke(GREET, A, at=world.now) == Admission(world.now)
    assert world.status(A) is Running


def test_a_delayed_invocation_enters_the_line_when_its_timer_fires(world):
    world.invoke(add(), A, at=world.now + SECOND)
    world.invoke(add(), B)
    world.invoke(add(), C)
    world.advance(SECOND)
    assert world.status(A) is Inboxed
    assert world.line(add()) == [C, A]


SITUATIONS = {
    Scheduled: lambda world: world.invoke(GREET, A, at=world.now + HOUR),
    Inboxed: lambda world: (world.invoke(add(), B), world.invoke(add(), A)),
    Running: lambda world: world.invoke(GREET, A),
    Suspended: lambda world: (world.invoke(GREET, A), world.suspend(A, 1)),
    Paused: lambda world: (world.invoke(GREET, A), world.pause(A)),
    Completed: lambda world: (world.invoke(GREET, A), world.end(A)),
}


@pytest.mark.parametrize("status", SITUATIONS)
def test_a_repetition_finds_the_first_one_and_changes_nothing(world, status):
    SITUATIONS[status](world)
    before, row = world.image.held, world.row(A)
    assert world.invoke(GREET, A, key="again") == Admission(row.execution_time, row)
    assert world.actions == []
    assert world.image.held == before


@pytest.mark.parametrize("status", SITUATIONS)
def test_a_handler_that_repeats_a_call_gets_what_the_first_one_came_to(world, status):
    SITUATIONS[status](world)
    world.invoke(GREET, C)
    world.progress(C, call(A, world.row(A).target, number=1))
    world.resume(A)
    if B in world.attempts:
        world.end(B)
    world.advance(HOUR)
    if A in world.attempts:
        world.end(A)
    assert world.journal(C)[1:] == [called(1, A), returned(2, Value(b"out"))]


def test_a_caller_that_asks_twice_is_answered_once(world):
    world.invoke(GREET, C)
    world.progress(C, call(A, number=1))
    (caller,) = world.row(A).callers
    world.invoke(GREET, A, caller=caller)
    assert world.row(A).callers == (caller,)


def test_a_repetition_after_the_retention_is_new_even_before_the_sweep(world):
    world.invoke(GREET, A, key="ik")
    world.end(A)
    world.advance(DAY - 1)
    assert world.invoke(GREET, A, key="ik").existing is not None
    world.advance(1)
    assert world.invoke(GREET, A, key="ik").existing is None
    assert world.status(A) is Running
    assert not world.image.expiries


def test_a_repetition_after_an_end_that_keeps_nothing_is_new(world):
    world.invoke(GREET, A, retention=NOT_KEPT)
    world.end(A)
    assert world.status(A) is None
    assert world.invoke(GREET, A).existing is None


def test_an_early_sweep_of_the_journal_does_not_free_the_id(world):
    world.invoke(GREET, A, retention=JOURNAL_SHORTER)
    world.end(A)
    world.advance(HOUR)
    world.expire()
    assert isinstance(world.invoke(GREET, A).existing.status, Completed)


def test_a_workflow_runs_once(world):
    world.invoke(signup(), A)
    for _ in ("while it runs", "after it ended"):
        world.invoke(GREET, B, retention=NOT_KEPT)
        world.progress(B, call(A, signup(), number=1))
        assert world.journal(B)[-1] == returned(2, ALREADY_INVOKED)
        world.end(B)
        if world.status(A) is Running:
            world.end(A)
    assert Failure(409, "the workflow method was already invoked") == ALREADY_INVOKED


def test_one_way_calls_of_a_workflow_that_ran_are_dropped(world):
    world.invoke(signup(), A)
    world.end(A)
    world.invoke(GREET, B)
    world.progress(B, send(A, signup(), number=1))
    assert world.journal(B)[1:] == [called(1, A)]
    assert world.status(A) is Completed


def test_a_workflow_runs_again_after_its_retention(world):
    world.invoke(signup(), A)
    world.end(A)
    world.advance(DAY)
    assert world.invoke(signup(), A).existing is None
    assert world.started == [A]


def test_an_id_that_is_used_again_hears_nothing_of_its_former_self(world):
    world.invoke(signup(), A, retention=NOT_KEPT)
    first_attempt = world.attempts[A]
    world.progress(A, call(B, number=1))
    world.end(A)
    world.now += 1
    world.invoke(signup(), A)
    world.progress(A, sleep(world.now + DAY, number=2), ending=waits(2))
    world.end(B)
    assert world.status(A) is Suspended, "the callee of the former run answers nobody"
    world.resume(A)
    world.progress(A, output(b"stale"), attempt=first_attempt)
    assert len(world.journal(A)) == 1, "the former run's attempt is superseded"


def test_attempts_are_numbered_through_the_partition(world):
    for name in (A, B, C):
        world.invoke(GREET, name)
    world.restart()
    world.pause(A)
    world.resume(A)
    numbers = {world.row(name).attempt for name in (A, B, C)}
    assert len(numbers) == 3
    assert world.row(A).attempt == max(numbers)


def test_two_worlds_that_hear_the_same_are_the_same():
    first, second = World(), World()
    for world in (first, second):
        world.invoke(add(), A)
        world.invoke(add(), B)
        world.end(A)
    assert first.image.held == second.image.held
    assert first.records == second.records
