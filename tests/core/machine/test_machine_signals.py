"""Signals and awakeables."""

from __future__ import annotations

import pytest
from machine_values import (
    ENDED,
    GREET,
    HOUR,
    NOBODY,
    A,
    B,
    add,
    cancel_of,
    failed,
    output,
    waits,
)
from msgspec.structs import replace

from perdure.core.machine.cancellation import cancel
from perdure.core.machine.notifications import SIGNALLED_ENTRIES_MAX, signal_received
from perdure.core.machine.step import Step
from perdure.core.model.invocations import Completed, Paused, Running, Suspended
from perdure.core.model.journals import JournalSize
from perdure.core.model.records import Cancel, SignalReceived
from perdure.core.model.verdicts import Verdict
from perdure.protocol.ids import awakeable_text, invocation_text
from perdure.protocol.messages import (
    SIGNAL_AWAKEABLE_FIRST,
    SIGNAL_CANCEL,
    VOID,
    CompleteAwakeable,
    Failure,
    SendSignal,
    Signal,
    Value,
)

FIRST = SIGNAL_AWAKEABLE_FIRST


@pytest.mark.parametrize("signal", [FIRST, FIRST + 1, "named"])
@pytest.mark.parametrize("result", [VOID, Value(b"v"), Failure(500, "f")])
def test_a_signal_wakes_whoever_awaits_it(world, signal, result):
    world.invoke(GREET, A)
    if isinstance(signal, str):
        world.progress(A, ending=waits(names=[signal], signals=[1]))
    else:
        world.progress(A, ending=waits(signals=[1, signal]))
    assert world.signal(A, signal, result) is Verdict.ACCEPTED
    assert world.started == [A]
    assert world.journal(A) == [Signal(signal, result)]


@pytest.mark.parametrize("signal", [FIRST + 1, "other", 0])
def test_another_signal_is_kept_and_wakes_nobody(world, signal):
    world.invoke(GREET, A)
    world.progress(A, ending=waits(1, signals=[1, FIRST], names=["named"]))
    world.signal(A, signal)
    assert world.status(A) is Suspended
    assert world.journal(A) == [Signal(signal, VOID)]


def test_a_journal_that_is_beyond_use_takes_no_signals(world):
    world.invoke(GREET, A)
    row = replace(world.tables.invocations.get(A), journal=JournalSize(SIGNALLED_ENTRIES_MAX, 1))
    world.tables.invocations.put(A, row)
    step = Step(world.tables, world.now)
    assert signal_received(step, SignalReceived(A, FIRST, VOID)) is Verdict.NOT_RUNNING
    assert world.tables.invocations.get(A) == row
    cancel(step, Cancel(A))  # which does
    assert world.tables.invocations.get(A).journal.entries == SIGNALLED_ENTRIES_MAX + 1


def test_a_signal_may_come_before_anyone_waits(world):
    world.invoke(GREET, A)
    world.signal(A, FIRST, Value(b"early"))
    assert world.forwarded == [Signal(FIRST, Value(b"early"))]
    world.progress(A, ending=waits(signals=[1, FIRST]))
    assert world.started == [A]


@pytest.mark.parametrize("order", ["signal, then suspension", "suspension, then signal"])
def test_a_signal_and_a_suspension_may_cross(world, order):
    world.invoke(GREET, A)
    if order.startswith("signal"):
        world.signal(A, FIRST)
        world.progress(A, ending=waits(signals=[FIRST]))
    else:
        world.progress(A, ending=waits(signals=[FIRST]))
        world.signal(A, FIRST)
    assert world.started == [A]
    assert world.status(A) is Running


def test_signals_are_not_told_apart_by_what_they_say(world):
    world.invoke(GREET, A)
    world.signal(A, FIRST, Value(b"same"))
    world.signal(A, FIRST, Value(b"same"))
    assert world.journal(A) == [Signal(FIRST, Value(b"same"))] * 2


def test_an_awakeable_is_a_signal_by_index(world):
    world.invoke(GREET, A)
    world.progress(A, ending=waits(signals=[FIRST]))
    world.invoke(GREET, B)
    did = CompleteAwakeable(awakeable_text(A, FIRST), Value(b"done"))
    world.progress(B, did)
    assert world.journal(B) == [did]
    assert world.journal(A) == [Signal(FIRST, Value(b"done"))]
    assert world.started == [A]


@pytest.mark.parametrize("signal", [FIRST, "named"])
def test_handlers_send_signals_to_each_other(world, signal):
    world.invoke(GREET, A)
    world.invoke(GREET, B)
    world.progress(B, SendSignal(invocation_text(A), signal, Value(b"hi")))
    assert world.journal(A) == [Signal(signal, Value(b"hi"))]


def test_a_signal_to_oneself_is_heard(world):
    world.invoke(GREET, A)
    it = SendSignal(invocation_text(A), "me", VOID)
    world.progress(A, it, ending=waits(names=["me"]))
    assert world.started == [A]
    assert world.journal(A) == [it, Signal("me", VOID)]


def test_a_signal_to_oneself_after_the_end_is_dropped(world):
    world.invoke(GREET, A)
    it = SendSignal(invocation_text(A), "me", VOID)
    world.progress(A, it, output(), ending=ENDED)
    assert world.journal(A) == [it, output()]


def test_signals_to_whoever_has_not_begun_or_has_ended_are_dropped(world):
    world.invoke(add(), A)
    world.invoke(add(), B)
    assert world.signal(B, FIRST) is Verdict.NOT_RUNNING
    world.end(A)
    assert world.signal(A, FIRST) is Verdict.NOT_RUNNING
    assert world.signal(NOBODY, FIRST) is Verdict.NOT_RUNNING
    world.invoke(GREET, NOBODY, at=world.now + HOUR)
    assert world.signal(NOBODY, FIRST) is Verdict.NOT_RUNNING
    assert world.journal(B) == world.journal(NOBODY) == []


def test_whoever_backs_off_or_is_paused_finds_the_signal_later(world):
    world.invoke(GREET, A)
    world.fail(A, failed())
    world.signal(A, FIRST)
    assert world.forwarded == []
    world.pause(A)
    world.signal(A, FIRST + 1)
    assert world.status(A) is Paused
    assert world.journal(A) == [Signal(FIRST, VOID), Signal(FIRST + 1, VOID)]


def test_the_cancel_signal_from_a_handler_cancels(world):
    world.invoke(add(), A)
    world.invoke(add(), B)
    world.invoke(GREET, NOBODY)
    world.progress(NOBODY, cancel_of(B), cancel_of(A))
    assert world.status(B) is None
    assert world.journal(A) == [Signal(SIGNAL_CANCEL, VOID)]


def test_a_handler_may_cancel_whoever_is_gone(world):
    world.invoke(GREET, A)
    world.progress(A, cancel_of(NOBODY), cancel_of(A), output(), ending=ENDED)
    assert world.status(A) is Completed
