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
    output,
    signup,
    waits,
)

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
