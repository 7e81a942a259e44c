"""Messages between partitions: what each kind comes to, and how they are numbered and kept."""

from __future__ import annotations

import pytest
from joined import Joined
from machine_values import (
    ENDED,
    GREET,
    KILLED,
    MINUTE,
    NOT_FOUND,
    add,
    call,
    called,
    cancel_of,
    completion,
    output,
    returned,
    send,
)
from programs import placed
from world import World

from perdure.core.machine.actions import Ship
from perdure.core.model.invocations import Completed, Inboxed, Running, Scheduled, Suspended
from perdure.core.model.records import Delivered, Kill, Shipped, SignalReceived
from perdure.core.model.shares import share_of
from perdure.core.tables.keys import outbox_key
from perdure.protocol.ids import awakeable_text, invocation_text
from perdure.protocol.messages import (
    SIGNAL_CANCEL,
    VOID,
    AttachInvocation,
    CompleteAwakeable,
    CompletionKind,
    GetInvocationOutput,
    InvocationTarget,
    SendSignal,
    Signal,
    Value,
)

#: Of several partitions, the first has the one and the last the other.
NEAR, FAR = placed("root0", GREET), placed("root3", GREET)
#: A key in the other partition, where there are two.
THERE = add("b")
FIRST, SECOND_ONE = placed("first", THERE), placed("second", THERE)
TO_FAR = InvocationTarget(invocation_text(FAR))


@pytest.fixture(params=[1, 2, 3])
def joined(request) -> Joined:
    """Give partitions; one alone comes to the same as several."""
    joined = Joined(request.param)
    assert (joined.home(NEAR) is joined.home(FAR)) == (request.param == 1)
    joined.invoke(GREET, NEAR)
    return joined


def say(joined, *did, ending=None):
    joined.progress(NEAR, *did, ending=ending)
    joined.settle()
    joined.check()


def status(joined, who):
    return joined.home(who).status(who)


def journal(joined, who):
    return joined.home(who).journal(who)


def test_a_call_is_answered(joined):
    say(joined, call(FAR, number=1))
    assert status(joined, FAR) is Running
    joined.end(FAR, b"hello")
    joined.settle()
    assert journal(joined, NEAR)[1:] == [called(1, FAR), returned(2, Value(b"hello"))]


def test_whoever_waits_for_a_call_is_woken(joined):
    say(joined, call(FAR, number=1))
    joined.suspend(NEAR, 2)
    assert status(joined, NEAR) is Suspended
    joined.end(FAR)
    joined.settle()
    assert status(joined, NEAR) is Running


def test_a_one_way_call_runs(joined):
    say(joined, send(FAR, number=1), output(), ending=ENDED)
    assert status(joined, NEAR) is Completed
    assert status(joined, FAR) is Running


def test_a_delayed_call_runs_later(joined):
    say(joined, send(FAR, number=1, at=joined.now + MINUTE))
    assert status(joined, FAR) is Scheduled
    joined.advance(MINUTE)
    assert status(joined, FAR) is Running


def test_calls_of_a_key_take_their_turns_in_the_order_of_sending(joined):
    say(joined, send(FIRST, THERE, number=1), send(SECOND_ONE, THERE, number=2))
    assert [status(joined, who) for who in (FIRST, SECOND_ONE)] == [Running, Inboxed]
    joined.end(FIRST)
    assert status(joined, SECOND_ONE) is Running


def test_a_call_of_what_runs_already_waits_with_the_first(joined):
    joined.invoke(GREET, FAR)
    say(joined, call(FAR, number=1), call(FAR, number=3))
    joined.end(FAR)
    joined.settle()
    assert journal(joined, NEAR)[-2:] == [returned(2, Value(b"out")), returned(4, Value(b"out"))]


def test_attaching_brings_the_result_in_the_end(joined):
    joined.invoke(GREET, FAR)
    say(joined, AttachInvocation(TO_FAR, 1))
    joined.end(FAR)
    joined.settle()
    kind = CompletionKind.ATTACH_INVOCATION
    assert journal(joined, NEAR)[1:] == [completion(kind, 1, Value(b"out"))]


def test_attaching_to_nobody_says_so(joined):
    say(joined, AttachInvocation(TO_FAR, 1))
    kind = CompletionKind.ATTACH_INVOCATION
    assert journal(joined, NEAR)[1:] == [completion(kind, 1, NOT_FOUND)]


def test_a_result_is_read_as_it_is_now(joined):
    joined.invoke(GREET, FAR)
    say(joined, GetInvocationOutput(TO_FAR, 1))
    joined.end(FAR)
    say(joined, GetInvocationOutput(TO_FAR, 2))
    kind = CompletionKind.GET_INVOCATION_OUTPUT
    answers = [entry for entry in journal(joined, NEAR) if not isinstance(entry, type(TO_FAR))]
    assert answers[1] == completion(kind, 1, VOID)
    assert answers[3] == completion(kind, 2, Value(b"out"))


def test_a_signal_arrives(joined):
    joined.invoke(GREET, FAR)
    say(joined, SendSignal(invocation_text(FAR), "go", Value(b"!")))
    assert journal(joined, FAR) == [Signal("go", Value(b"!"))]


def test_an_awakeable_is_completed(joined):
    joined.invoke(GREET, FAR)
    say(joined, CompleteAwakeable(awakeable_text(FAR, 17), Value(b"!")))
    assert journal(joined, FAR) == [Signal(17, Value(b"!"))]


def test_a_cancellation_arrives(joined):
    say(joined, send(FAR, number=1), cancel_of(FAR))
    assert journal(joined, FAR) == [Signal(SIGNAL_CANCEL, VOID)]


def test_a_kill_ends_what_was_called_as_well(joined):
    say(joined, call(FAR, number=1))
    say(joined, call(FIRST, THERE, number=3))
    joined.progress(FAR, call(SECOND_ONE, THERE, number=1))
    joined.settle()
    joined.kill(NEAR)
    joined.settle()
    for who in (NEAR, FAR, FIRST, SECOND_ONE):
        assert joined.home(who).outcome(who) == KILLED


# How messages are numbered, kept, and taken.

HERE, OTHER = share_of(0, 3), share_of(2, 3)
SIGNALS = tuple(SignalReceived(FAR, number, VOID) for number in range(20, 26))


@pytest.fixture
def sender() -> World:
    world = World(share=HERE)
    world.invoke(GREET, NEAR)
    return world


@pytest.fixture
def taker() -> World:
    world = World(share=OTHER)
    world.invoke(GREET, FAR)
    return world


def heard(world) -> list[int]:
    return [signal.signal for signal in world.journal(FAR)]


def test_messages_are_numbered_for_each_destination(sender):
    middle = placed("root4", GREET)
    assert [HERE.owner(who) for who in (FAR, middle)] == [2, 1]
    sender.progress(NEAR, send(FAR, number=1), send(middle, number=3), cancel_of(FAR))
    ships = [action for action in sender.actions if isinstance(action, Ship)]
    assert ships == [Ship(2, 1), Ship(1, 1), Ship(2, 2)]
    assert sorted(sender.image.outbox) == [(1, 1), (2, 1), (2, 2)]


def test_what_stays_here_is_not_shipped(sender):
    sender.progress(NEAR, send(placed("root1", GREET), number=1))
    assert not sender.image.outbox
    assert len(sender.image.invocations) == 2


def test_messages_are_kept_until_they_were_taken(sender):
    sender.progress(NEAR, *(cancel_of(FAR) for _ in range(4)))
    sender.apply(Shipped(2, 1))
    assert sorted(sender.image.outbox) == [(2, 2), (2, 3), (2, 4)]
    sender.restart()
    sender.apply(Shipped(2, 3))
    sender.apply(Shipped(2, 3))
    sender.apply(Shipped(2, 2))
    assert sorted(sender.image.outbox) == [(2, 4)]


def test_numbers_go_on_when_all_was_taken(sender):
    sender.progress(NEAR, cancel_of(FAR))
    sender.apply(Shipped(2, 1))
    sender.restart()
    sender.progress(NEAR, cancel_of(FAR))
    assert sorted(sender.image.outbox) == [(2, 2)]


def test_a_message_that_was_taken_before_the_flush_never_reaches_the_store(sender):
    sender.progress(NEAR, cancel_of(FAR))
    sender.apply(Shipped(2, 1))
    assert b"o" + outbox_key(2, 1) not in dict(sender.tables.flush())


def test_messages_are_taken_once(taker):
    taker.apply(Delivered(0, 1, SIGNALS[:2]))
    taker.apply(Delivered(0, 1, SIGNALS[:2]))
    taker.restart()
    taker.apply(Delivered(0, 1, SIGNALS[:2]))
    assert heard(taker) == [20, 21]


def test_of_messages_that_overlap_the_new_ones_are_taken(taker):
    taker.apply(Delivered(0, 1, SIGNALS[:3]))
    taker.apply(Delivered(0, 2, SIGNALS[1:5]))
    taker.apply(Delivered(0, 3, SIGNALS[2:4]))
    taker.apply(Delivered(0, 6, SIGNALS[5:]))
    assert heard(taker) == [20, 21, 22, 23, 24, 25]


def test_each_partition_is_counted_for_itself(taker):
    taker.apply(Delivered(0, 1, SIGNALS[:1]))
    taker.apply(Delivered(1, 1, SIGNALS[1:2]))
    taker.apply(Delivered(1, 1, SIGNALS[1:2]))
    assert heard(taker) == [20, 21]


def test_what_an_older_leader_took_is_not_taken(taker):
    taker.announce()
    taker.epoch = 0
    taker.apply(Delivered(0, 1, SIGNALS[:1]))
    assert heard(taker) == []
    taker.epoch = 1
    taker.apply(Delivered(0, 1, SIGNALS[:1]))
    assert heard(taker) == [20]


def test_what_arrives_may_send_in_turn(taker):
    taker.progress(FAR, call(placed("root1", GREET), number=1))
    taker.apply(Delivered(0, 1, (Kill(FAR),)))
    assert [type(message).__name__ for message in taker.image.outbox.values()] == ["Invoke", "Kill"]
