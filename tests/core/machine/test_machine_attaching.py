"""Attach and get-output."""

from __future__ import annotations

import pytest
from machine_values import (
    CANCELED,
    DAY,
    GREET,
    HOUR,
    NOBODY,
    NOT_FOUND,
    NOT_KEPT,
    A,
    B,
    C,
    add,
    completion,
    ident,
    output,
    signup,
    waits,
)

from perdure.core.machine.endings import CALLERS_IN_ROW
from perdure.core.model.invocations import Completed, Suspended
from perdure.protocol.ids import idempotent_id, invocation_text, workflow_run_id
from perdure.protocol.messages import (
    VOID,
    AttachInvocation,
    CompletionKind,
    GetInvocationOutput,
    IdempotentRequestTarget,
    InvocationTarget,
    WorkflowTarget,
)


def to(who):
    return InvocationTarget(invocation_text(who))


def attached(number: int, result):
    return completion(CompletionKind.ATTACH_INVOCATION, number, result)


def had(number: int, result):
    return completion(CompletionKind.GET_INVOCATION_OUTPUT, number, result)


def test_attaching_waits_for_the_end(world):
    world.invoke(GREET, A)
    world.invoke(GREET, B)
    world.progress(B, AttachInvocation(to(A), 1), ending=waits(1, signals=[1]))
    assert world.status(B) is Suspended
    world.restart()
    world.end(A)
    assert world.started == [B]
    assert world.journal(B)[-1] == attached(1, output().result)


def test_reading_does_not_wait(world):
    world.invoke(GREET, A)
    world.invoke(GREET, B)
    world.progress(B, GetInvocationOutput(to(A), 1))
    world.end(A)
    world.progress(B, GetInvocationOutput(to(A), 2))
    assert [one for one in world.journal(B) if hasattr(one, "kind")] == [
        had(1, VOID),
        had(2, output().result),
    ]


def test_what_has_ended_answers_at_once(world):
    world.invoke(GREET, A)
    world.end(A)
    world.invoke(GREET, B)
    world.progress(B, AttachInvocation(to(A), 1))
    assert world.forwarded == [attached(1, output().result)]


@pytest.mark.parametrize("how", ["never was", "kept nothing", "purged", "past its retention"])
def test_what_is_gone_is_not_found(world, how):
    who = NOBODY if how == "never was" else A
    if who is A:
        world.invoke(GREET, A, **({"retention": NOT_KEPT} if how == "kept nothing" else {}))
        world.end(A)
    if how == "purged":
        world.purge(A)
    if how == "past its retention":
        world.advance(DAY)
    world.invoke(GREET, B)
    world.progress(B, AttachInvocation(to(who), 1), GetInvocationOutput(to(who), 2))
    assert world.forwarded == [attached(1, NOT_FOUND), had(2, NOT_FOUND)]


def test_attaching_to_what_waits_in_line_hears_of_its_cancellation(world):
    world.invoke(add(), A)
    world.invoke(add(), B)
    world.invoke(GREET, C)
    world.progress(C, AttachInvocation(to(B), 1))
    world.cancel(B)
    assert world.forwarded == [attached(1, CANCELED)]


def test_attaching_to_what_is_scheduled_hears_of_its_end(world):
    world.invoke(GREET, A, at=world.now + HOUR)
    world.invoke(GREET, B)
    world.progress(B, AttachInvocation(to(A), 1))
    world.advance(HOUR)
    world.end(A)
    assert world.forwarded == [attached(1, output().result)]


def test_a_workflow_is_found_by_its_key(world):
    run = workflow_run_id("Signup", "w")
    world.invoke(signup("w"), run)
    world.invoke(GREET, B)
    world.progress(B, AttachInvocation(WorkflowTarget("Signup", "w"), 1))
    world.end(run)
    assert world.forwarded == [attached(1, output().result)]


@pytest.mark.parametrize("key", [None, "k"])
def test_a_request_is_found_by_its_idempotency_key(world, key):
    target = GREET if key is None else add(key)
    who = idempotent_id(target.service, target.handler, "ik", key)
    world.invoke(target, who, key="ik")
    world.invoke(GREET, B)
    named = IdempotentRequestTarget(target.service, target.handler, "ik", key)
    world.progress(B, GetInvocationOutput(named, 1), AttachInvocation(named, 2))
    assert world.forwarded == [had(1, VOID)]
    world.end(who)
    assert world.forwarded == [attached(2, output().result)]


def test_attaching_to_oneself_never_ends_by_itself(world):
    world.invoke(GREET, A)
    world.progress(A, AttachInvocation(to(A), 1), GetInvocationOutput(to(A), 2))
    assert world.forwarded == [had(2, VOID)]
    world.suspend(A, 1)
    world.cancel(A)
    world.end(A)
    assert world.status(A) is Completed


def test_attaching_twice_answers_both(world):
    world.invoke(GREET, A)
    world.invoke(GREET, B)
    world.progress(B, AttachInvocation(to(A), 1), AttachInvocation(to(A), 2))
    world.end(A)
    assert world.forwarded == [attached(1, output().result), attached(2, output().result)]


#: More than stand in the row itself, in an order that is not the one of their ids.
MANY = [ident(f"many-{number * 7 % 20:02}") for number in range(20)]


def attached_by_many(world, *, suspended: bool) -> None:
    world.invoke(GREET, A)
    for who in MANY:
        world.invoke(GREET, who)
        ending = waits(1, signals=[1]) if suspended else None
        world.progress(who, AttachInvocation(to(A), 1), ending=ending)


@pytest.mark.parametrize("restarted", [False, True])
def test_many_are_answered_in_the_order_in_which_they_came(world, restarted):
    attached_by_many(world, suspended=True)
    if restarted:
        world.restart()
    world.end(A)
    assert world.started == MANY
    assert not world.image.callers
    assert world.row(A).further_callers == 0


def test_the_row_of_what_many_wait_for_stays_as_short_as_it_was(world):
    attached_by_many(world, suspended=False)
    row = world.row(A)
    assert len(row.callers) == CALLERS_IN_ROW
    assert len(row.callers) + row.further_callers == len(MANY)


@pytest.mark.parametrize("who", [MANY[0], MANY[-1]])
def test_among_many_who_asks_twice_for_the_same_is_answered_once(world, who):
    attached_by_many(world, suspended=False)
    world.progress(who, AttachInvocation(to(A), 1))
    world.end(A)
    assert world.journal(who).count(attached(1, output().result)) == 1


def test_among_many_who_waits_in_another_life_waits_anew(world):
    attached_by_many(world, suspended=False)
    who = MANY[-1]
    world.end(who)
    world.purge(who)
    world.advance(1)
    world.invoke(GREET, who)
    world.progress(who, AttachInvocation(to(A), 1))
    world.end(A)
    assert world.journal(who)[-1] == attached(1, output().result)


def test_many_are_answered_when_what_they_wait_for_never_begins(world):
    world.invoke(GREET, A, at=world.now + HOUR)
    for who in MANY:
        world.invoke(GREET, who)
        world.progress(who, AttachInvocation(to(A), 1))
    world.cancel(A)
    assert world.forwarded == [attached(1, CANCELED)] * len(MANY)
    assert not world.image.callers
