"""Exclusive keys: one holder, and a line in the order of arrival."""

from __future__ import annotations

from machine_values import (
    CANCELED,
    ENDED,
    GREET,
    HOUR,
    KEPT,
    MINUTE,
    NOT_KEPT,
    SECOND,
    A,
    B,
    C,
    D,
    add,
    call,
    failed,
    ident,
    look,
    output,
    returned,
)

from perdure.core.model.invocations import Completed, Inboxed, Paused, Running, Suspended
from perdure.core.model.retries import OnExhausted, RetryPolicy
from perdure.core.model.targets import HandlerKind, Target


def test_the_first_holds_the_key_and_the_others_follow_in_order(world):
    for name in (A, B, C):
        world.invoke(add(), name)
    assert world.holder(add()) == A
    assert world.line(add()) == [B, C]
    world.end(A)
    assert world.started == [B]
    assert world.line(add()) == [C]
    world.end(B)
    world.end(C)
    assert world.holder(add()) is None


def test_a_line_grows_while_it_shrinks(world):
    world.invoke(add(), A)
    order = [ident(f"n{number:02}") for number in range(12)]
    waiting, served = list(order), []
    for _ in order[:4]:
        world.invoke(add(), waiting.pop(0))
    world.end(A)
    while world.attempts:
        (now,) = world.attempts
        served.append(now)
        for name in waiting[:2]:
            world.invoke(add(), name)
        del waiting[:2]
        world.end(now)
    assert served == order


def test_keys_do_not_wait_for_each_other(world):
    world.invoke(add("a"), A)
    world.invoke(add("b"), B)
    assert world.status(A) is world.status(B) is Running


def test_equal_keys_of_two_objects_do_not_wait_for_each_other(world):
    world.invoke(add("a"), A)
    world.invoke(Target("Other", "add", HandlerKind.EXCLUSIVE, "a"), B)
    assert world.status(B) is Running


def test_a_key_is_not_the_beginning_of_another(world):
    """Service and key are told apart by their lengths, not by what is in them."""
    world.invoke(Target("Ab", "add", HandlerKind.EXCLUSIVE, "c"), A)
    world.invoke(Target("A", "add", HandlerKind.EXCLUSIVE, "bc"), B)
    assert world.status(B) is Running


def test_shared_handlers_do_not_wait(world):
    world.invoke(add(), A)
    world.invoke(look(), B)
    assert world.status(B) is Running


def test_the_key_is_kept_through_suspension_retries_and_pause(world):
    world.invoke(add(), A)
    world.invoke(add(), B)
    world.suspend(A, 1)
    assert (world.status(A), world.status(B)) == (Suspended, Inboxed)
    world.resume(A)
    world.fail(A, failed())
    assert (world.status(A), world.status(B)) == (Running, Inboxed)
    world.pause(A)
    assert (world.status(A), world.status(B)) == (Paused, Inboxed)
    world.resume(A)
    world.end(A)
    assert world.status(B) is Running


def test_whoever_was_cancelled_in_line_leaves_a_hole_that_is_skipped(world):
    for name in (A, B, C, D):
        world.invoke(add(), name)
    world.cancel(B)
    world.kill(C)
    assert world.line(add()) == [D]
    world.end(A)
    assert world.started == [D]
    assert world.finished == {A: world.results[A]}
    assert world.results[B] == CANCELED


def test_a_line_of_holes_frees_the_key(world):
    for name in (A, B, C):
        world.invoke(add(), name)
    world.cancel(B)
    world.cancel(C)
    world.end(A)
    assert world.holder(add()) is None
    assert not world.image.lines
    world.invoke(add(), D)
    assert world.started == [D]


def test_the_line_goes_on_after_a_hole_at_its_end(world):
    for name in (A, B):
        world.invoke(add(), name)
    world.cancel(B)
    world.invoke(add(), C)
    world.restart()
    world.end(A)
    assert world.started == [C]


def test_places_are_not_given_twice_after_a_cancellation(world):
    for name in (A, B):
        world.invoke(add(), name)
    world.cancel(B)
    world.invoke(add(), B)
    world.invoke(add(), C)
    assert world.line(add()) == [B, C]


def test_a_key_is_handed_on_when_its_holder_is_killed(world):
    world.invoke(add(), A)
    world.invoke(add(), B)
    world.kill(A)
    assert world.stopped == [A]
    assert world.started == [B]


def test_a_key_is_handed_on_when_retries_end_with_a_kill(world):
    world.invoke(add(), A)
    world.invoke(add(), B)
    world.fail(A, failed(RetryPolicy(max_attempts=1, on_exhausted=OnExhausted.KILL)))
    assert world.status(A) is Completed
    assert world.started == [B]


def test_a_call_to_the_own_key_waits_for_ever(world):
    world.invoke(add(), A)
    world.progress(A, call(B, add(), number=1))
    world.suspend(A, 2)
    assert (world.status(A), world.status(B)) == (Suspended, Inboxed)
    world.cancel(A)
    world.progress(A, output(), ending=ENDED)
    assert world.started == [B]


def test_killing_such_a_call_kills_both_and_frees_the_key(world):
    world.invoke(add(), A)
    world.progress(A, call(B, add(), number=1))
    world.invoke(add(), C)
    world.kill(A)
    assert world.status(B) is Completed
    assert world.holder(add()) == C


def test_the_next_in_line_starts_in_the_step_that_answers_the_caller(world):
    world.invoke(GREET, D)
    world.progress(D, call(A, add(), number=1))
    world.invoke(add(), B)
    world.end(A)
    assert world.started == [B]
    assert world.forwarded == [returned(2, output().result)]


def test_the_line_survives_a_restart_at_every_point(world):
    names = [ident(f"n{number}") for number in range(5)]
    for name in names:
        world.invoke(add(), name, retention=NOT_KEPT)
        world.restart()
    for name in names:
        assert world.holder(add()) == name
        world.end(name)
        world.restart()
    assert world.holder(add()) is None


def test_delayed_invocations_arrive_when_they_are_due(world):
    world.invoke(add(), A)
    world.invoke(add(), B, at=world.now + MINUTE)
    world.invoke(add(), C, at=world.now + SECOND)
    world.advance(HOUR)
    assert world.line(add()) == [C, B]
    world.invoke(add(), D, retention=KEPT)
    assert world.line(add()) == [C, B, D]
