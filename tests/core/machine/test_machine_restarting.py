"""Restart as new: what is kept of the old journal, and what is not."""

from __future__ import annotations

import pytest
from machine_values import (
    DAY,
    ENDED,
    GREET,
    KEPT,
    MINUTE,
    RESULT_ONLY,
    SECOND,
    A,
    B,
    C,
    D,
    add,
    call,
    called,
    has_run,
    look,
    output,
    ran,
    returned,
    run,
    send,
    signup,
    sleep,
    slept,
    verify,
)

from perdure.core.model.invocations import Completed, Inboxed, Origin, Pin, Running
from perdure.core.model.records import RestartAsNew
from perdure.core.model.verdicts import Verdict
from perdure.protocol.ids import DeploymentId
from perdure.protocol.messages import (
    VOID,
    GetLazyState,
    Input,
    Signal,
    Value,
)

OLD, NEW = Pin(DeploymentId("dp_1"), 6), DeploymentId("dp_2")


def test_only_the_input_is_kept_by_default(world):
    world.invoke(GREET, A, key="ik")
    world.progress(A, run(1), ran(1))
    world.end(A)
    world.now += SECOND
    assert world.restart_as_new(A, B) is Verdict.DONE
    assert world.started == [B]
    assert world.journal(B) == []
    assert world.tables.journals.rows(B)[0][1].message == Input(Value(b"in"))
    row = world.row(B)
    assert row.target == GREET
    assert row.retention == KEPT
    assert row.origin == Origin(restart_of=A)
    assert row.idempotency_key is None
    assert row.created_at == world.now
    assert world.status(A) is Completed


def test_a_prefix_keeps_its_entries_and_their_late_completions(world):
    world.invoke(GREET, A)
    slow, fast = sleep(world.now + MINUTE, number=1), run(2)
    world.progress(A, slow, fast, ran(2), run(3), ran(3))
    world.advance(MINUTE)
    world.end(A)
    assert world.journal(A)[:2] == [slow, fast]
    assert world.restart_as_new(A, B, upto=1) is Verdict.DONE
    assert world.journal(B) == [slow, slept(1)]
    assert world.row(B).journal.commands == 2
    assert world.row(B).sleeps == 0
    assert world.restart_as_new(A, C, upto=2) is Verdict.DONE
    assert world.journal(C) == [slow, fast, has_run(2), slept(1)]


def test_a_prefix_keeps_the_random_numbers_it_was_made_with(world):
    world.invoke(GREET, A)
    world.progress(A, run(1), ran(1))
    world.end(A)
    world.restart_as_new(A, B, upto=1)
    assert world.row(B).origin == Origin(restart_of=A, seeded_by=A)
    world.end(B)
    world.restart_as_new(B, C, upto=1)
    assert world.row(C).origin == Origin(restart_of=B, seeded_by=A)
    world.restart_as_new(B, D, upto=0)
    assert world.row(D).origin == Origin(restart_of=B)


def test_a_prefix_may_end_between_a_call_and_what_it_brought(world):
    world.invoke(GREET, A)
    it = call(D, number=1)
    world.progress(A, it)
    world.end(D)
    world.end(A)
    world.restart_as_new(A, B, upto=1)
    assert world.journal(B) == [it.command, called(1, D), returned(2, output().result)]


@pytest.mark.parametrize("upto", [1, 2, 3])
def test_a_command_without_its_completion_cannot_be_kept(world, upto):
    world.invoke(GREET, A)
    world.progress(A, run(1), run(2), ran(2))
    world.end(A)
    assert world.restart_as_new(A, B, upto=upto) is Verdict.BAD_PREFIX
    assert world.status(B) is None
    assert world.restart_as_new(A, B, upto=0) is Verdict.DONE


def test_a_call_without_its_result_cannot_be_kept_but_a_one_way_call_can(world):
    world.invoke(GREET, A)
    world.progress(A, send(C, number=1), call(D, number=2))
    world.end(A)
    assert world.restart_as_new(A, B, upto=3) is Verdict.BAD_PREFIX
    assert world.restart_as_new(A, B, upto=2) is Verdict.DONE


@pytest.mark.parametrize("upto", [4, 5, 1000])
def test_a_prefix_longer_than_the_journal_is_refused(world, upto):
    world.invoke(GREET, A)
    world.progress(A, run(1), ran(1), output(), ending=ENDED)
    assert world.restart_as_new(A, B, upto=upto) is Verdict.BAD_PREFIX


def test_a_prefix_may_hold_the_output(world):
    """The new one replays it and ends with it, as after an attempt that lost only its end."""
    world.invoke(GREET, A)
    world.end(A, b"42")
    assert world.restart_as_new(A, B, upto=1) is Verdict.DONE
    world.progress(B, ending=ENDED)
    assert world.outcome(B) == Value(b"42")


def test_signals_are_kept_inside_the_prefix_only(world):
    world.invoke(GREET, A)
    world.signal(A, 17)
    world.progress(A, run(1), ran(1))
    world.signal(A, 18)
    world.end(A)
    world.restart_as_new(A, B, upto=2)
    assert world.journal(B) == [Signal(17, VOID), run(1), has_run(1)]


def test_times_of_kept_entries_are_kept(world):
    world.invoke(GREET, A)
    world.progress(A, run(1), ran(1))
    world.end(A)
    old = [entry for _, entry in world.tables.journals.rows(A)]
    world.now += DAY - 1
    world.restart_as_new(A, B, upto=1)
    assert [entry for _, entry in world.tables.journals.rows(B)] == old[:3]


def test_a_restarted_exclusive_one_stands_in_line(world):
    world.invoke(add(), A)
    world.end(A)
    world.invoke(add(), B)
    world.restart_as_new(A, C)
    assert world.status(C) is Inboxed
    world.end(B)
    assert world.started == [C]


def test_shared_handlers_can_be_restarted_a_workflows_run_cannot(world):
    for name, target in ((A, signup()), (B, verify()), (C, look())):
        world.invoke(target, name)
        world.end(name)
    assert world.restart_as_new(A, D) is Verdict.WORKFLOW
    assert world.restart_as_new(B, D) is Verdict.DONE


@pytest.mark.parametrize("how", ["never kept", "purged"])
def test_a_journal_that_is_gone_cannot_be_restarted(world, how):
    world.invoke(GREET, A, retention=RESULT_ONLY if how == "never kept" else KEPT)
    world.end(A)
    if how == "purged":
        world.purge_journal(A)
    assert world.restart_as_new(A, B) is Verdict.JOURNAL_GONE


def test_what_is_past_its_retention_is_not_found(world):
    world.invoke(GREET, A)
    world.end(A)
    world.advance(DAY)
    assert world.restart_as_new(A, B) is Verdict.NOT_FOUND


def test_the_same_restart_twice_is_one(world):
    world.invoke(GREET, A)
    world.end(A)
    world.restart_as_new(A, B)
    before = world.image.held
    assert world.restart_as_new(A, B) is Verdict.DONE
    assert world.image.held == before


@pytest.mark.parametrize(
    ("keep", "deployment", "expected"),
    [
        (False, None, None),
        (True, None, OLD),
        (False, NEW, Pin(NEW, OLD.protocol_version)),
    ],
)
def test_the_deployment_is_kept_named_or_left_to_the_first_attempt(
    world, keep, deployment, expected
):
    world.invoke(GREET, A)
    world.progress(A, run(1), ran(1), pin=OLD)
    world.end(A)
    body = RestartAsNew(A, B, 0, keep_deployment=keep, deployment_id=deployment)
    world.apply(body)
    assert world.row(B).pin == expected


def test_a_restarted_one_is_an_invocation_like_any_other(world):
    world.invoke(add(), A)
    world.progress(A, GetLazyState(b"n", 1), run(2), ran(2))
    world.end(A)
    world.restart_as_new(A, B, upto=3)
    world.restart()
    world.progress(B, sleep(world.now + MINUTE, number=3))
    world.advance(MINUTE)
    world.end(B)
    world.restart_as_new(B, C, upto=1)
    assert world.status(C) is Running
    world.kill(C)
