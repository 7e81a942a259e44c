"""Durable promises of a workflow: completed once, heard by all who wait."""

from __future__ import annotations

import pytest
from machine_values import (
    ENDED,
    NOT_KEPT,
    SECOND,
    A,
    B,
    C,
    D,
    completion,
    ident,
    output,
    run,
    signup,
    sleep,
    verify,
    waits,
)

from perdure.core.machine.listening import LISTENERS_IN_ROW
from perdure.core.model.invocations import Running, Suspended
from perdure.protocol.messages import (
    VOID,
    CompletePromise,
    CompletionKind,
    Failure,
    GetPromise,
    PeekPromise,
    Value,
)

YES, NO = Value(b"yes"), Failure(403, "no")


def got(number: int, outcome):
    return completion(CompletionKind.GET_PROMISE, number, outcome)


def peeked(number: int, result):
    return completion(CompletionKind.PEEK_PROMISE, number, result)


def completed(number: int, result=VOID):
    return completion(CompletionKind.COMPLETE_PROMISE, number, result)


@pytest.mark.parametrize("outcome", [YES, NO])
def test_a_promise_that_is_completed_answers_at_once(world, outcome):
    world.invoke(signup(), A)
    world.progress(A, CompletePromise("mail", outcome, 1), GetPromise("mail", 2))
    assert world.forwarded == [completed(1), got(2, outcome)]


@pytest.mark.parametrize("outcome", [YES, NO])
def test_whoever_waits_is_woken(world, outcome):
    world.invoke(signup(), A)
    world.progress(A, GetPromise("mail", 1), ending=waits(1, signals=[1]))
    assert world.status(A) is Suspended
    world.invoke(verify(), B)
    world.progress(B, CompletePromise("mail", outcome, 1))
    assert world.started == [A]
    assert world.journal(A)[-1] == got(1, outcome)
    assert world.journal(B)[-1] == completed(1)


def test_everyone_who_waits_is_told_in_order(world):
    world.invoke(signup(), A)
    for name in (B, C):
        world.invoke(verify(), name)
        world.progress(name, GetPromise("mail", 1), ending=waits(1))
    world.progress(A, GetPromise("mail", 1), GetPromise("mail", 2))
    world.progress(A, CompletePromise("mail", YES, 3))
    assert world.started == [B, C]
    assert world.forwarded == [completed(3), got(1, YES), got(2, YES)]


def test_peeking_does_not_wait(world):
    world.invoke(signup(), A)
    world.progress(A, PeekPromise("mail", 1), CompletePromise("mail", YES, 2))
    world.progress(A, PeekPromise("mail", 3))
    assert world.journal(A)[1] == peeked(1, VOID)
    assert world.journal(A)[-1] == peeked(3, YES)


def test_peeking_at_a_promise_that_others_wait_for_finds_nothing(world):
    world.invoke(signup(), A)
    world.progress(A, GetPromise("mail", 1), PeekPromise("mail", 2))
    assert world.forwarded == [peeked(2, VOID)]


def test_a_promise_is_completed_once(world):
    world.invoke(signup(), A)
    world.progress(A, CompletePromise("mail", YES, 1), CompletePromise("mail", NO, 2))
    assert world.journal(A)[-1] == completed(2, Failure(409, "promise was already completed"))
    world.progress(A, GetPromise("mail", 3))
    assert world.journal(A)[-1] == got(3, YES)


def test_promises_belong_to_one_workflow_and_name(world):
    world.invoke(signup("a"), A)
    world.invoke(signup("b"), B)
    world.progress(A, CompletePromise("mail", YES, 1), PeekPromise("phone", 2))
    world.progress(B, PeekPromise("mail", 1))
    assert world.journal(A)[-1] == peeked(2, VOID)
    assert world.journal(B)[-1] == peeked(1, VOID)


def test_a_shared_handler_may_complete_before_the_run_starts(world):
    world.invoke(verify(), B)
    world.progress(B, CompletePromise("mail", YES, 1), output(), ending=ENDED)
    world.restart()
    world.invoke(signup(), A)
    world.progress(A, GetPromise("mail", 1))
    assert world.forwarded == [got(1, YES)]


def test_a_workflow_may_answer_itself(world):
    world.invoke(signup(), A)
    world.progress(A, GetPromise("mail", 1), CompletePromise("mail", YES, 2), ending=waits(1))
    assert world.started == [A]
    assert world.journal(A)[-2:] == [completed(2), got(1, YES)]


MANY = [ident(f"many {number}") for number in range(3 * LISTENERS_IN_ROW)]


def heard_by_many(world, *, suspended: bool) -> None:
    world.invoke(signup(), A)
    for who in MANY:
        world.invoke(verify(), who)
        ending = waits(1) if suspended else None
        world.progress(who, GetPromise("mail", 1), ending=ending)


@pytest.mark.parametrize("restarted", [False, True])
def test_many_hear_of_it_in_the_order_in_which_they_came(world, restarted):
    heard_by_many(world, suspended=True)
    if restarted:
        world.restart()
    world.progress(A, CompletePromise("mail", YES, 1))
    assert world.started == MANY
    assert not world.image.listeners


def test_the_row_of_what_many_wait_for_stays_short(world):
    heard_by_many(world, suspended=False)
    ((promise,),) = (promises.values() for promises in world.image.promises.values())
    assert len(promise.listeners) == LISTENERS_IN_ROW
    assert len(promise.listeners) + promise.further == len(MANY)


@pytest.mark.parametrize("leaving", [MANY[:-1], MANY[1:], MANY[::-2], MANY[LISTENERS_IN_ROW:]])
def test_of_many_those_that_stay_hear_of_it_in_order(world, leaving):
    heard_by_many(world, suspended=True)
    for who in leaving:
        world.kill(who)
    late = ident("late")
    world.invoke(verify(), late)
    world.progress(late, GetPromise("mail", 1), ending=waits(1))
    world.progress(A, CompletePromise("mail", YES, 1))
    assert world.started == [who for who in (*MANY, late) if who not in leaving]


def test_when_all_of_many_have_gone_nothing_is_left(world):
    heard_by_many(world, suspended=False)
    for who in MANY:
        world.end(who)
    assert not world.image.promises
    assert not world.image.listeners


def test_whoever_heard_of_it_in_an_earlier_run_takes_nobodys_place(world):
    world.invoke(signup(), A)
    world.invoke(verify(), B)
    world.progress(A, CompletePromise("mail", YES, 1))
    world.progress(B, GetPromise("mail", 1), GetPromise("other", 2))
    world.progress(A, output(), ending=ENDED)
    world.purge(A)
    heard_by_many(world, suspended=True)
    world.end(B)
    world.progress(A, CompletePromise("mail", YES, 1))
    assert world.started == MANY


@pytest.mark.parametrize("end", ["end", "kill"])
def test_whoever_ends_is_no_longer_waited_for(world, end):
    world.invoke(signup(), A)
    world.invoke(verify(), B)
    world.progress(A, GetPromise("mail", 1))
    world.progress(
        B,
        GetPromise("mail", 1),
        GetPromise("mail", 2),
        GetPromise("phone", 3),
        sleep(world.now + SECOND, number=4),
    )
    world.restart()
    getattr(world, end)(B)
    (promises,) = world.image.promises.values()
    assert promises.keys() == {b"mail"}
    assert [one.invocation_id for one in promises[b"mail"].listeners] == [A]
    world.progress(A, CompletePromise("mail", YES, 2))
    assert world.journal(A)[-1] == got(1, YES)


def test_polling_leaves_nothing_behind(world):
    """Shared handlers that give up waiting after a while are a common way to poll."""
    world.invoke(signup(), A)
    for _ in range(20):
        world.invoke(verify(), B, retention=NOT_KEPT)
        world.progress(B, GetPromise("mail", 1), run(2), output(), ending=ENDED)
    assert not world.image.promises


def test_a_purge_drops_what_was_completed(world):
    world.invoke(signup(), A)
    world.progress(A, CompletePromise("mail", YES, 1), output(), ending=ENDED)
    world.purge(A)
    assert not world.image.promises
    world.invoke(signup(), A)
    world.progress(A, PeekPromise("mail", 1))
    assert world.journal(A)[-1] == peeked(1, VOID)


@pytest.mark.parametrize("how", ["purge", "nothing is kept"])
def test_whoever_waits_when_the_run_is_purged_waits_for_the_next_run(world, how):
    kept = {} if how == "purge" else {"retention": NOT_KEPT}
    world.invoke(signup(), A, **kept)
    world.invoke(verify(), B)
    world.progress(B, GetPromise("mail", 1), ending=waits(1))
    world.progress(A, CompletePromise("other", YES, 1), output(), ending=ENDED)
    if how == "purge":
        world.purge(A)
    (promises,) = world.image.promises.values()
    assert promises.keys() == {b"mail"}
    world.invoke(signup(), A)
    world.progress(A, CompletePromise("mail", YES, 1))
    assert world.started == [B]


def test_an_open_listener_is_told_and_counts_down(world):
    world.invoke(verify(), B)
    world.progress(B, GetPromise("mail", 1))
    assert world.row(B).listens == 1
    world.invoke(verify(), D)
    world.progress(D, CompletePromise("mail", YES, 1))
    assert world.forwarded == [completed(1), got(1, YES)]
    assert world.row(B).listens == 0
    assert world.status(B) is Running
