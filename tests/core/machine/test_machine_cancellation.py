"""Cancel and kill, one invocation and the tree below it."""

from __future__ import annotations

from itertools import pairwise

from machine_values import (
    CANCELED,
    ENDED,
    GREET,
    HOUR,
    KILLED,
    NOT_KEPT,
    A,
    B,
    C,
    D,
    add,
    call,
    cancel_of,
    failed,
    ident,
    output,
    returned,
    send,
    sleep,
    waits,
)

from perdure.core.machine.actions import Finish, StartAttempt, StopAttempt, WatchExpiry
from perdure.core.model.invocations import Completed, Running, Suspended
from perdure.core.model.verdicts import Verdict
from perdure.protocol.messages import SIGNAL_CANCEL, VOID, SetState, Signal, Value


def test_cancelling_asks_and_the_handler_cleans_up(world):
    world.invoke(GREET, A)
    world.progress(A, sleep(world.now + HOUR, number=1), ending=waits(1, signals=[1]))
    assert world.cancel(A) is Verdict.ACCEPTED
    assert world.started == [A]
    world.progress(A, call(B, number=2), ending=waits(3, signals=[1], seen=3))
    world.end(B, b"undone")
    world.end(A, b"cleaned up")
    assert world.outcome(A) == Value(b"cleaned up")


def test_an_open_attempt_is_told_and_may_be_told_again(world):
    world.invoke(GREET, A)
    for _ in range(2):
        world.cancel(A)
        assert world.forwarded == [Signal(SIGNAL_CANCEL, VOID)]
    assert world.status(A) is Running


def test_whoever_waited_in_line_is_forgotten_and_its_caller_told(world):
    world.invoke(add(), A)
    world.invoke(GREET, D)
    world.progress(D, call(B, add(), number=1))
    assert world.cancel(B) is Verdict.DONE
    assert world.journal(D)[-1] == returned(2, CANCELED)
    assert world.status(B) is None
    assert world.cancel(B) is Verdict.NOT_FOUND


def test_a_scheduled_one_is_forgotten_with_its_timer(world):
    world.invoke(GREET, A, at=world.now + HOUR)
    (timer,) = world.image.timers
    assert world.cancel(A) is Verdict.DONE
    assert not world.image.timers
    assert world.fire(timer) == []
    world.invoke(GREET, A)
    assert world.started == [A]


def test_cancelling_does_not_reach_the_children_by_itself(world):
    """The SDK passes a cancellation on: it knows which of its calls it still waits for."""
    world.invoke(GREET, A)
    world.progress(A, call(B, number=1), ending=waits(2, signals=[1]))
    world.cancel(A)
    assert world.journal(B) == []
    world.progress(A, cancel_of(B))
    assert world.journal(B) == [Signal(SIGNAL_CANCEL, VOID)]


def test_killing_stops_the_attempt_and_frees_what_it_held(world):
    world.invoke(add(), A)
    world.invoke(add(), B)
    assert world.kill(A) is Verdict.DONE
    assert [type(action) for action in world.actions] == [
        StopAttempt,
        Finish,
        WatchExpiry,
        StartAttempt,
    ]
    assert world.outcome(A) == KILLED


def test_killing_reaches_every_call_even_one_way_ones(world):
    world.invoke(GREET, A)
    world.progress(
        A,
        call(B, number=1),
        send(C, number=3),
        send(D, number=4, at=world.now + HOUR),
        ending=waits(2, signals=[1]),
    )
    world.restart()
    world.kill(A)
    assert world.outcome(B) == world.outcome(C) == KILLED
    assert world.status(D) is None
    assert not world.image.timers


def test_killing_goes_down_the_tree(world):
    depth = 30
    names = [ident(f"n{number:02}") for number in range(depth)]
    world.invoke(GREET, names[0])
    for caller, callee in pairwise(names):
        world.progress(caller, call(callee, add(callee.decode()), number=1), ending=waits(2))
    world.restart()
    world.kill(names[0])
    assert {world.status(name) for name in names} == {Completed}
    assert not world.attempts
    assert not world.image.locks


def test_killing_spares_what_has_ended_and_who_else_called(world):
    world.invoke(GREET, A)
    world.invoke(GREET, D)
    world.progress(A, call(B, number=1), call(C, number=3))
    world.progress(D, call(C, number=1), ending=waits(2, signals=[1]))
    world.end(B)
    world.kill(A)
    assert world.outcome(B) == output().result
    assert world.outcome(C) == KILLED
    assert world.started == [D]
    assert world.journal(D)[-1] == returned(2, KILLED)


def test_killing_a_ring_ends(world):
    world.invoke(GREET, A)
    world.progress(A, call(B, number=1))
    world.progress(B, call(A, number=1), call(B, number=3))
    world.kill(A)
    assert world.status(A) is world.status(B) is Completed


def test_killing_a_ring_that_keeps_nothing_ends(world):
    world.invoke(GREET, A, retention=NOT_KEPT)
    world.progress(A, call(B, number=1, retention=NOT_KEPT))
    world.progress(B, call(A, number=1), call(B, number=3))
    world.kill(A)
    assert world.status(A) is world.status(B) is None


def test_a_killed_attempt_says_nothing_more(world):
    world.invoke(add(), A)
    attempt = world.attempts[A]
    world.kill(A)
    before = world.image.held
    world.progress(A, SetState(b"n", Value(b"1")), output(), ending=ENDED, attempt=attempt)
    assert world.image.held == before


def test_a_killed_callee_fails_its_caller(world):
    world.invoke(GREET, A)
    world.progress(A, call(B, number=1), ending=waits(2, signals=[1]))
    world.kill(B)
    assert world.journal(A)[-1] == returned(2, KILLED)
    assert world.started == [A]


def test_killing_what_backs_off_or_sleeps_leaves_no_timer(world):
    world.invoke(GREET, A)
    world.progress(A, sleep(world.now + HOUR, number=1), ending=failed())
    assert len(world.image.timers) == 2
    world.kill(A)
    assert not world.image.timers


def test_cancelling_whoever_waits_for_a_sibling_in_the_same_record(world):
    """What a record sends arrives in the order of sending."""
    world.invoke(GREET, A)
    world.progress(
        A, call(B, add(), number=1), cancel_of(B), call(C, add(), number=3), cancel_of(C)
    )
    assert world.status(B) is Running
    assert world.journal(B) == [Signal(SIGNAL_CANCEL, VOID)]
    assert world.status(C) is None
    assert world.journal(A)[-1] == returned(4, CANCELED)


def test_cancelling_the_parent_of_a_suspended_child(world):
    world.invoke(GREET, A)
    world.progress(A, call(B, number=1), ending=waits(2, signals=[1]))
    world.progress(B, ending=waits(signals=[1, 17]))
    world.cancel(B)
    assert world.status(A) is Suspended
    assert world.started == [B]
