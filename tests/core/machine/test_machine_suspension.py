"""Suspension: left waiting exactly as long as what is awaited is missing."""

from __future__ import annotations

import pytest
from machine_values import (
    GREET,
    MINUTE,
    SECOND,
    A,
    B,
    C,
    call,
    failed,
    has_run,
    ran,
    run,
    sleep,
    tree,
    waits,
    waits_for,
)

from perdure.core.model.awaiting import awaited
from perdure.core.model.invocations import Running, Suspended
from perdure.protocol.messages import SIGNAL_CANCEL, VOID, Combinator, Failure, Signal
from perdure.protocol.trees import LEVELS_MAX

ANY = Combinator.FIRST_COMPLETED
ALL = Combinator.ALL_COMPLETED
ONE_GOOD = Combinator.FIRST_SUCCEEDED_OR_ALL_FAILED
ALL_GOOD = Combinator.ALL_SUCCEEDED_OR_FIRST_FAILED


def beside_cancel(future):
    """Write a tree as SDKs do that listen for their cancellation."""
    return waits_for(tree(ANY, signals=[SIGNAL_CANCEL], nested=[future]))


def test_all_of_two_sleeps_wakes_once_with_the_later(world):
    world.invoke(GREET, A)
    sleeps = [sleep(world.now + SECOND, number=1), sleep(world.now + MINUTE, number=2)]
    world.progress(A, *sleeps, ending=beside_cancel(tree(ALL, 1, 2)))
    world.advance(SECOND)
    assert world.status(A) is Suspended
    world.restart()
    world.advance(MINUTE)
    assert world.started == [A]


def test_cancelling_wakes_whatever_else_is_awaited(world):
    world.invoke(GREET, A)
    world.progress(A, ending=beside_cancel(tree(ALL, 1, 2)))
    world.cancel(A)
    assert world.started == [A]


def test_whoever_does_not_await_its_cancellation_sleeps_on(world):
    world.invoke(GREET, A)
    world.progress(A, ending=waits(1))
    world.cancel(A)
    assert world.status(A) is Suspended
    assert world.journal(A) == [Signal(SIGNAL_CANCEL, VOID)]


@pytest.mark.parametrize(
    ("combinator", "first_fails", "woken_by"),
    [
        (ANY, False, 1),
        (ANY, True, 1),
        (ALL, False, 2),
        (ALL, True, 2),
        (ONE_GOOD, False, 1),
        (ONE_GOOD, True, 2),
        (ALL_GOOD, False, 2),
        (ALL_GOOD, True, 1),
    ],
)
def test_results_of_calls_wake_when_they_decide(world, combinator, first_fails, woken_by):
    world.invoke(GREET, A)
    awaited = tree(combinator, 2, 4)
    world.progress(A, call(B, number=1), call(C, number=3), ending=beside_cancel(awaited))
    if first_fails:
        world.end_badly(B, Failure(500, "f"))
    else:
        world.end(B)
    assert (world.status(A) is Running) == (woken_by == 1)
    world.end(C)
    assert world.status(A) is Running


def test_what_came_before_is_taken_into_account(world):
    world.invoke(GREET, A)
    world.progress(A, call(B, number=1), call(C, number=3))
    world.end(B)
    world.progress(A, ending=beside_cancel(tree(ALL, 2, 4)))
    assert world.row(A).status.awaiting.nested == (tree(ALL, 4),)
    world.end(C)
    assert world.started == [A]


def test_a_proposal_followed_by_a_suspension_on_it_goes_on_at_once(world):
    """The pattern of request-response: the run's result is stored, and the next attempt has it."""
    world.invoke(GREET, A)
    world.progress(A, run(1), ran(1), ending=waits(1, signals=[1], seen=1))
    assert world.started == [A]
    assert world.journal(A) == [run(1), has_run(1)]


def test_what_the_attempt_was_sent_does_not_wake_it_again(world):
    """A cancellation that was dealt with stays in the journal, and every await lists its signal."""
    world.invoke(GREET, A)
    world.cancel(A)
    world.progress(A, sleep(world.now + MINUTE, number=1))
    world.progress(A, ending=waits(1, signals=[SIGNAL_CANCEL], seen=2))
    assert world.status(A) is Suspended
    world.restart()
    world.cancel(A)
    assert world.started == [A], "a second cancellation is news"


def test_what_came_after_the_attempt_stopped_listening_wakes_it(world):
    world.invoke(GREET, A)
    world.signal(A, 17)
    world.signal(A, 18)
    world.progress(A, ending=waits(signals=[17, 18], seen=2))
    assert world.started == [A]


def test_a_wake_up_counts_failures_from_the_beginning(world):
    world.invoke(GREET, A)
    world.fail(A, failed())
    world.advance(MINUTE)
    assert world.row(A).status.failures == 1
    world.progress(A, ending=waits(signals=[17]))
    world.signal(A, 17)
    assert world.row(A).status == Running()


def test_ids_that_nobody_will_ever_complete_may_be_awaited(world):
    world.invoke(GREET, A)
    world.progress(A, ending=waits(99, signals=[200], names=["never"]))
    world.restart()
    assert world.status(A) is Suspended
    world.kill(A)


@pytest.mark.parametrize("levels", [100, 101, LEVELS_MAX])
def test_a_deep_tree_is_stored_and_settled(world, levels):
    future = tree(ANY, 1)
    for _ in range(levels - 1):
        future = tree(ALL, signals=[18], nested=[future])
    world.invoke(GREET, A)
    stored = awaited(future)
    world.progress(A, sleep(world.now + SECOND, number=1), ending=waits_for(stored))
    world.signal(A, 17)
    world.restart()
    assert world.row(A).status.awaiting == stored
    world.signal(A, 18)
    world.restart()
    world.advance(SECOND)
    assert world.started == [A]
