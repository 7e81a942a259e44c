"""Calls between handlers."""

from __future__ import annotations

from itertools import pairwise

from machine_values import (
    ENDED,
    GREET,
    HOUR,
    NOT_KEPT,
    A,
    B,
    C,
    add,
    call,
    called,
    output,
    returned,
    send,
    waits,
)

from perdure.core.machine.actions import Finish, StartAttempt, WatchExpiry
from perdure.core.model.invocations import (
    Completed,
    Inboxed,
    Origin,
    Running,
    Scheduled,
    Suspended,
)
from perdure.protocol.messages import Failure, Input, Value


def test_a_call_tells_the_callees_id_then_its_result(world):
    world.invoke(GREET, A)
    it = call(B, add(), number=1)
    world.progress(A, it)
    assert world.journal(A) == [it.command, called(1, B)]
    assert world.started == [B]
    world.end(B, b"42")
    assert world.journal(A)[2:] == [returned(2, Value(b"42"))]


def test_the_callee_gets_the_parameter_and_knows_its_parent(world):
    world.invoke(GREET, A)
    world.progress(A, call(B, add("a"), number=1))
    assert world.tables.journals.rows(B)[0][1].message == Input(Value(b"in"))
    assert world.row(B).target == add("a")
    assert world.row(B).origin == Origin(parent=A, parent_target="Greeter/greet")


def test_a_suspended_caller_wakes_in_the_step_that_ends_the_callee(world):
    world.invoke(GREET, A)
    world.progress(A, call(B, number=1), ending=waits(2, signals=[1]))
    assert world.status(A) is Suspended
    followed = world.end(B)
    assert [type(action) for action in followed] == [Finish, WatchExpiry, StartAttempt]
    assert world.started == [A]


def test_an_open_caller_is_told(world):
    world.invoke(GREET, A)
    world.progress(A, call(B, number=1))
    world.end(B)
    assert world.forwarded == [returned(2, output().result)]


def test_a_failure_of_the_callee_is_the_callers_to_handle(world):
    world.invoke(GREET, A)
    world.progress(A, call(B, number=1))
    world.end_badly(B, Failure(418, "teapot", (("k", "v"),)))
    assert world.journal(A)[-1] == returned(2, Failure(418, "teapot", (("k", "v"),)))
    assert world.status(A) is Running


def test_a_one_way_call_is_heard_of_no_more(world):
    world.invoke(GREET, A)
    it = send(B, number=1)
    world.progress(A, it)
    world.end(B)
    assert world.journal(A) == [it.command, called(1, B)]


def test_a_delayed_call_waits_for_its_time(world):
    world.invoke(GREET, A)
    world.progress(A, send(B, number=1, at=world.now + HOUR), send(C, number=2, at=world.now))
    assert world.status(B) is Scheduled
    assert world.status(C) is Running
    world.end(A)
    world.advance(HOUR)
    assert world.status(B) is Running


def test_a_caller_that_ended_hears_nothing(world):
    world.invoke(GREET, A)
    world.progress(A, call(B, number=1), output(), ending=ENDED)
    journal = world.journal(A)
    assert world.started == [B]
    world.end(B)
    assert world.journal(A) == journal
    assert world.status(A) is Completed


def test_a_caller_that_is_forgotten_hears_nothing(world):
    world.invoke(GREET, A, retention=NOT_KEPT)
    world.progress(A, call(B, number=1), output(), ending=ENDED)
    world.end(B)
    assert world.status(A) is None


def test_calls_of_one_record_start_in_order(world):
    world.invoke(GREET, A)
    world.progress(A, call(B, add(), number=1), call(C, add(), number=3))
    assert (world.status(B), world.status(C)) == (Running, Inboxed)
    assert world.started == [B]


def test_the_end_of_an_invocation_frees_its_key_for_what_it_called(world):
    world.invoke(add(), A)
    world.progress(A, call(B, add(), number=1), output(), ending=ENDED)
    assert world.started == [B]


def test_two_callers_of_one_invocation_both_hear(world):
    world.invoke(GREET, A)
    world.invoke(GREET, C)
    world.progress(A, call(B, number=1))
    world.progress(C, call(B, number=1), ending=waits(2))
    world.end(B)
    assert world.journal(A)[-1] == world.journal(C)[-1] == returned(2, output().result)
    assert world.started == [C]


def test_a_call_of_itself_never_ends_by_itself(world):
    world.invoke(GREET, A)
    world.progress(A, call(A, number=1), ending=waits(2, signals=[1]))
    assert world.status(A) is Suspended
    world.cancel(A)
    world.end(A)
    assert world.status(A) is Completed


def test_a_chain_unwinds_in_one_step_each(world):
    names = [A, B, C]
    world.invoke(GREET, A)
    for caller, callee in pairwise(names):
        world.progress(caller, call(callee, add(callee.decode()), number=1), ending=waits(2))
        world.restart()
    for callee, caller in ((C, B), (B, A)):
        world.end(callee)
        assert world.started == [caller]
        world.restart()
    world.end(A)
    assert {world.status(name) for name in names} == {Completed}
