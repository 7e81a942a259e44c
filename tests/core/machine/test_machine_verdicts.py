"""Every status against every record: what is answered, and what becomes of the invocation."""

from __future__ import annotations

from typing import get_args

import pytest
from machine_values import (
    CANCELED,
    ENDED,
    GREET,
    HOUR,
    KEPT,
    KILLED,
    A,
    B,
    C,
    D,
    add,
    failed,
    output,
    returned,
    waits,
)

from perdure.core.model.invocations import (
    Caller,
    Completed,
    Inboxed,
    Paused,
    Pin,
    Running,
    Scheduled,
    Suspended,
)
from perdure.core.model.records import (
    AnnounceLeader,
    Attach,
    Cancel,
    Delivered,
    Expire,
    Invoke,
    Kill,
    MutateState,
    Pause,
    Progress,
    Purge,
    PurgeJournal,
    ReadOutput,
    RecordBody,
    Respond,
    RestartAsNew,
    Resume,
    Shipped,
    SignalReceived,
    TimerFired,
    TimersFired,
)
from perdure.core.model.timers import Timer, TimerKind
from perdure.core.model.verdicts import Verdict
from perdure.protocol.ids import DeploymentId
from perdure.protocol.messages import SIGNAL_CANCEL, VOID, CompletionKind, Input, Signal, Value

FREE, BACKING_OFF = "free", "backing-off"


def be_free(world):
    world.invoke(add(), B)


def be_scheduled(world):
    world.invoke(add(), A, at=world.now + HOUR)


def be_inboxed(world):
    world.invoke(add(), B)
    world.invoke(add(), A)


def be_running(world):
    world.invoke(add(), A)


def be_backing_off(world):
    world.invoke(add(), A)
    world.fail(A, failed())


def be_suspended(world):
    world.invoke(add(), A)
    world.suspend(A, 9)


def be_paused(world):
    world.invoke(add(), A)
    world.pause(A)


def be_completed(world):
    world.invoke(add(), A)
    world.end(A)


BECOME = {
    FREE: be_free,
    Scheduled: be_scheduled,
    Inboxed: be_inboxed,
    Running: be_running,
    BACKING_OFF: be_backing_off,
    Suspended: be_suspended,
    Paused: be_paused,
    Completed: be_completed,
}
STATUSES = tuple(BECOME)

#: For each request, in the order of :data:`STATUSES`: the verdict, and the status that follows.
#: None for a status is a free id.
EXPECTED = {
    Cancel(A): (
        (Verdict.NOT_FOUND, None),
        (Verdict.DONE, None),
        (Verdict.DONE, None),
        (Verdict.ACCEPTED, Running),
        (Verdict.ACCEPTED, Running),
        (Verdict.ACCEPTED, Running),
        (Verdict.ACCEPTED, Running),
        (Verdict.ALREADY_COMPLETED, Completed),
    ),
    Kill(A): (
        (Verdict.NOT_FOUND, None),
        (Verdict.DONE, None),
        (Verdict.DONE, None),
        (Verdict.DONE, Completed),
        (Verdict.DONE, Completed),
        (Verdict.DONE, Completed),
        (Verdict.DONE, Completed),
        (Verdict.ALREADY_COMPLETED, Completed),
    ),
    Pause(A): (
        (Verdict.NOT_FOUND, None),
        (Verdict.NOT_RUNNING, Scheduled),
        (Verdict.NOT_RUNNING, Inboxed),
        (Verdict.ACCEPTED, Paused),
        (Verdict.ACCEPTED, Paused),
        (Verdict.ACCEPTED, Paused),
        (Verdict.DONE, Paused),
        (Verdict.NOT_RUNNING, Completed),
    ),
    Resume(A): (
        (Verdict.NOT_FOUND, None),
        (Verdict.NOT_STARTED, Scheduled),
        (Verdict.NOT_STARTED, Inboxed),
        (Verdict.DONE, Running),
        (Verdict.DONE, Running),
        (Verdict.DONE, Running),
        (Verdict.DONE, Running),
        (Verdict.ALREADY_COMPLETED, Completed),
    ),
    Resume(A, Pin(DeploymentId("dp_2"), 6)): (
        (Verdict.NOT_FOUND, None),
        (Verdict.NOT_STARTED, Scheduled),
        (Verdict.NOT_STARTED, Inboxed),
        (Verdict.CHANGE_REFUSED, Running),
        (Verdict.CHANGE_REFUSED, Running),
        (Verdict.DONE, Running),
        (Verdict.DONE, Running),
        (Verdict.ALREADY_COMPLETED, Completed),
    ),
    Purge(A): (
        (Verdict.NOT_FOUND, None),
        (Verdict.NOT_COMPLETED, Scheduled),
        (Verdict.NOT_COMPLETED, Inboxed),
        (Verdict.NOT_COMPLETED, Running),
        (Verdict.NOT_COMPLETED, Running),
        (Verdict.NOT_COMPLETED, Suspended),
        (Verdict.NOT_COMPLETED, Paused),
        (Verdict.DONE, None),
    ),
    PurgeJournal(A): (
        (Verdict.NOT_FOUND, None),
        (Verdict.NOT_COMPLETED, Scheduled),
        (Verdict.NOT_COMPLETED, Inboxed),
        (Verdict.NOT_COMPLETED, Running),
        (Verdict.NOT_COMPLETED, Running),
        (Verdict.NOT_COMPLETED, Suspended),
        (Verdict.NOT_COMPLETED, Paused),
        (Verdict.DONE, Completed),
    ),
    RestartAsNew(A, C): (
        (Verdict.NOT_FOUND, None),
        (Verdict.NOT_STARTED, Scheduled),
        (Verdict.NOT_STARTED, Inboxed),
        (Verdict.NOT_COMPLETED, Running),
        (Verdict.NOT_COMPLETED, Running),
        (Verdict.NOT_COMPLETED, Suspended),
        (Verdict.NOT_COMPLETED, Paused),
        (Verdict.DONE, Completed),
    ),
    SignalReceived(A, 17, VOID): (
        (Verdict.NOT_RUNNING, None),
        (Verdict.NOT_RUNNING, Scheduled),
        (Verdict.NOT_RUNNING, Inboxed),
        (Verdict.ACCEPTED, Running),
        (Verdict.ACCEPTED, Running),
        (Verdict.ACCEPTED, Suspended),
        (Verdict.ACCEPTED, Paused),
        (Verdict.NOT_RUNNING, Completed),
    ),
}
CASES = [
    pytest.param(body, status, *expected, id=f"{type(body).__name__}-{status}")
    for body, row in EXPECTED.items()
    for status, expected in zip(STATUSES, row, strict=True)
]


@pytest.mark.parametrize(("body", "status", "verdict", "then"), CASES)
def test_a_request_is_answered_by_the_status(world, body, status, verdict, then):
    BECOME[status](world)
    assert world.apply(body) is verdict
    assert world.status(A) is then


#: What changes nothing, whatever the status, when nobody waits for it or it is not the time.
NO_EFFECT = (
    AnnounceLeader(0),
    Expire(10),
    Progress(A, attempt=999, entries=(output(),), ending=ENDED),
    Progress(A, attempt=999, entries=(), ending=failed()),
    Progress(A, attempt=999, entries=(), ending=waits(1)),
    TimerFired(Timer(1, TimerKind.START, A)),
    TimerFired(Timer(1, TimerKind.RETRY, A)),
    TimerFired(Timer(1, TimerKind.SLEEP, A, 1)),
    TimersFired(tuple(Timer(1, kind, A, 1) for kind in TimerKind)),
    TimersFired(()),
    Delivered(1, 1, ()),
    Shipped(1, 0),
)


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("body", NO_EFFECT, ids=lambda body: type(body).__name__)
def test_what_comes_too_late_or_from_nowhere_changes_nothing(world, status, body):
    BECOME[status](world)
    world.apply(AnnounceLeader(0))
    before = world.image.held
    world.apply(body)
    assert world.image.held == before
    assert not world.started
    assert not world.stopped


@pytest.mark.parametrize("status", STATUSES)
def test_an_answer_is_taken_by_whoever_can_still_use_it(world, status):
    BECOME[status](world)
    row = world.tables.invocations.get(A)
    created_at = 0 if row is None else row.created_at
    before = world.image.held
    world.apply(Respond(make_caller(A, created_at), Value(b"late")))
    if status in (Running, BACKING_OFF, Suspended, Paused):
        assert world.journal(A) == [returned(5, Value(b"late"))]
        assert world.status(A) is type(row.status)
    else:
        assert world.image.held == before


def make_caller(who, created_at, completion=5):
    return Caller(who, completion, CompletionKind.CALL, created_at)


def asks(world):
    """Let someone run who can be answered."""
    world.invoke(GREET, D)
    return make_caller(D, world.now)


@pytest.mark.parametrize("status", STATUSES)
def test_attaching_answers_now_or_in_the_end(world, status):
    BECOME[status](world)
    world.apply(Attach(A, asks(world)))
    answered = [entry.result for entry in world.journal(D)]
    if status == FREE:
        assert answered[0].code == 404
    elif status is Completed:
        assert answered == [Value(b"out")]
    else:
        assert answered == []
        world.kill(A)
        assert [entry.result for entry in world.journal(D)] == [KILLED]


@pytest.mark.parametrize("status", STATUSES)
def test_reading_a_result_answers_now(world, status):
    BECOME[status](world)
    world.apply(ReadOutput(A, asks(world)))
    (answer,) = (entry.result for entry in world.journal(D))
    if status == FREE:
        assert answer.code == 404
    else:
        assert answer == (Value(b"out") if status is Completed else VOID)


@pytest.mark.parametrize("status", STATUSES)
def test_invoking_starts_only_what_is_free(world, status):
    BECOME[status](world)
    existing = world.tables.invocations.get(A)
    reply = world.apply(Invoke(A, GREET, Input(Value(b"")), KEPT))
    assert reply.existing == existing
    assert world.started == ([A] if status == FREE else [])


@pytest.mark.parametrize("status", [Scheduled, Inboxed, Running, Suspended, Paused])
def test_whoever_waits_outside_hears_of_a_kill(world, status):
    BECOME[status](world)
    world.kill(A)
    assert world.finished == {A: KILLED}


@pytest.mark.parametrize("status", [Scheduled, Inboxed])
def test_whoever_waits_outside_hears_of_a_cancellation_before_the_start(world, status):
    BECOME[status](world)
    world.cancel(A)
    assert world.finished == {A: CANCELED}
    assert not world.line(add())


@pytest.mark.parametrize("status", [Running, BACKING_OFF, Suspended, Paused])
def test_a_cancellation_is_a_signal_in_the_journal(world, status):
    BECOME[status](world)
    world.cancel(A)
    assert world.journal(A) == [Signal(SIGNAL_CANCEL, VOID)]


@pytest.mark.parametrize("status", STATUSES)
def test_a_state_is_replaced_once_nobody_holds_its_key(world, status):
    BECOME[status](world)
    held = world.holder(add()) is not None
    verdict = world.mutate(add(), a=b"1")
    assert verdict is (Verdict.ACCEPTED if held else Verdict.DONE)
    assert world.state(add()) == ({} if held else {b"a": b"1"})


def test_every_kind_of_record_is_covered():
    covered = {type(body) for body in (*EXPECTED, *NO_EFFECT)}
    assert covered | {Respond, Attach, ReadOutput, Invoke, MutateState} == set(get_args(RecordBody))
