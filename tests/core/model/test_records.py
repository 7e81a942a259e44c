"""Records, rows and entries come out of their bytes as they went in."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from perdure.core.model import invocations, records
from perdure.core.model.invocations import (
    Caller,
    Completed,
    Inboxed,
    Invocation,
    Origin,
    Paused,
    Pin,
    Problem,
    Retention,
    Running,
    Scheduled,
    Status,
    Suspended,
)
from perdure.core.model.journals import JournalEntry, JournalSize
from perdure.core.model.promises import Pending, Promise, Settled
from perdure.core.model.records import Callee, Message, Record, RecordBody
from perdure.core.model.retries import OnExhausted, RetryPolicy
from perdure.core.model.targets import HandlerKind, Target
from perdure.core.model.timers import Timer, TimerKind
from perdure.protocol.ids import DeploymentId, InvocationId
from perdure.protocol.messages import (
    VOID,
    Call,
    Combinator,
    CompletionKind,
    ErrorBehavior,
    Failure,
    Future,
    Input,
    OneWayCall,
    ProposeRunCompletion,
    Run,
    SetState,
    Value,
)

ID = InvocationId(bytes(range(24)))
TARGET = Target("Counter", "add", HandlerKind.EXCLUSIVE, "kéy")
PIN = Pin(DeploymentId("dp_1"), 7)
CALLER = Caller(ID, 3, CompletionKind.CALL, 5)
PROBLEM = Problem(500, "m", "trace", "RT0016", 1, "name", 0x0411)
FUTURE = Future((1,), (1, 17), ("s",), (Future((2,), combinator=Combinator.ALL_COMPLETED),))
POLICY = RetryPolicy(1, 1.5, 2, None, OnExhausted.KILL)
BODIES = [
    records.AnnounceLeader(3),
    records.Invoke(
        ID,
        TARGET,
        Input(Value(b"\x00\xff"), (("a", "b"),)),
        Retention(2**64 - 1, 0),
        "key",
        2**63,
        CALLER,
        Origin(ID, "Counter/k/add", ID),
    ),
    records.Progress(
        ID,
        2**40,
        (
            Run(1),
            ProposeRunCompletion(1, Failure(500, "m", (("k", "v"),)), ack=True),
            SetState(b"\xff", Value(b"")),
            Call("S", "h", b"p", 2, 3),
            OneWayCall("S", "h", b"p", 4),
        ),
        (Callee(ID, HandlerKind.SHARED, Retention(1, 2)),),
        PIN,
        records.Ended(),
    ),
    records.Progress(ID, 1, (), (), None, records.Suspended(FUTURE, 3)),
    records.Progress(
        ID, 1, (), ending=records.Failed(PROBLEM, POLICY, 0.25, ErrorBehavior.PAUSE, 2**63)
    ),
    records.TimerFired(Timer(2**64 - 1, TimerKind.SLEEP, ID, 2**32 - 1)),
    records.SignalReceived(ID, 17, VOID),
    records.SignalReceived(ID, "näme", Failure(1, "m")),
    records.Cancel(ID),
    records.Kill(ID),
    records.Pause(ID),
    records.Resume(ID, PIN),
    records.Purge(ID),
    records.PurgeJournal(ID),
    records.RestartAsNew(ID, ID, 3, keep_deployment=True, deployment_id=DeploymentId("dp_2")),
    records.Expire(256),
    records.Respond(CALLER, Value(b"v")),
    records.Attach(ID, CALLER),
    records.ReadOutput(ID, CALLER),
    records.MutateState(ID, "Counter", "k", ((b"\xff", b"v"), (b"", b"")), "version"),
    records.Delivered(
        63,
        2**40,
        (
            records.Invoke(ID, TARGET, Input(Value(b"")), Retention(1, 2), drawn=True),
            records.Respond(CALLER, VOID),
            records.Attach(ID, CALLER),
            records.ReadOutput(ID, CALLER),
            records.SignalReceived(ID, "näme", VOID),
            records.Cancel(ID),
            records.Kill(ID),
        ),
    ),
    records.Shipped(63, 2**40),
    records.TimersFired(
        (Timer(2**64 - 1, TimerKind.SLEEP, ID, 2**32 - 1), Timer(1, TimerKind.RETRY, ID))
    ),
]
STATUSES = [
    Scheduled(1),
    Inboxed(b"\xffplace"),
    Running(3, 2**63, PROBLEM, 2),
    Suspended(FUTURE),
    Paused(PROBLEM),
    Completed(1, Failure(409, "m"), journal_purged=True),
    Completed(1, Value(b"v")),
]


def row(status: Status) -> Invocation:
    return Invocation(
        target=TARGET,
        status=status,
        created_at=1,
        modified_at=2,
        retention=Retention(1, 2),
        journal=JournalSize(3, 2),
        attempt=4,
        pin=PIN,
        callers=(CALLER,),
        origin=Origin(ID, "p", ID),
        idempotency_key="",
        execution_time=0,
        sleeps=1,
        listens=2,
    )


def through_bytes(value, as_type):
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=as_type)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_a_record_comes_back_as_it_was(body):
    record = Record(7, 1_000_000, body)
    assert through_bytes(record, Record) == record


@pytest.mark.parametrize(
    ("body", "stored"),
    [
        (records.TimerFired(Timer(5, TimerKind.RETRY, ID)), [3, [5, 2, ID, 0]]),
        (records.TimersFired((Timer(5, TimerKind.SLEEP, ID, 9),)), [19, [[5, 0, ID, 9]]]),
    ],
)
def test_what_older_logs_hold_of_timers_can_be_read(body, stored):
    encoded = msgspec.msgpack.encode([7, 1_000_000, stored])
    assert msgspec.msgpack.decode(encoded, type=Record) == Record(7, 1_000_000, body)
    assert msgspec.msgpack.encode(Record(7, 1_000_000, body)) == encoded


def test_every_kind_of_record_is_tried():
    assert {type(body) for body in BODIES} == set(get_args(RecordBody))


def test_every_kind_of_message_is_tried():
    (delivered,) = (body for body in BODIES if isinstance(body, records.Delivered))
    assert {type(message) for message in delivered.messages} == set(get_args(Message))


@pytest.mark.parametrize("status", STATUSES, ids=lambda status: type(status).__name__)
def test_a_row_comes_back_as_it_was(status):
    assert through_bytes(row(status), Invocation) == row(status)


def test_every_status_is_tried_and_has_its_changes():
    assert {type(status) for status in STATUSES} == set(get_args(Status))
    assert set(invocations.LEGAL) == {*get_args(Status), None}


@pytest.mark.parametrize("promise", [Pending((CALLER, CALLER)), Settled(Value(b"v"))])
def test_a_promise_comes_back_as_it_was(promise):
    assert through_bytes(promise, Promise) == promise


def test_an_entry_comes_back_as_it_was():
    entry = JournalEntry(1, Run(1, "näme"), ID)
    assert through_bytes(entry, JournalEntry) == entry


def test_a_row_without_newer_fields_can_be_read():
    """Fields are added at the end, with defaults: what is stored stays readable."""
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(row(Paused())))
    old = msgspec.msgpack.encode(fields[:6])
    assert msgspec.msgpack.decode(old, type=Invocation).attempt == 0
