"""Attempts: what they hear and say, and which of them counts."""

from __future__ import annotations

import asyncio

from engine_world import ADD, A, B, invoke, propose, running, settled
from msgspec.structs import replace
from scripted_host import (
    COUNTER,
    ScriptedHost,
    ended,
    first_says,
    handler,
    manifest,
    on,
    returns,
    service,
)

from perdure.core.machine.actions import StartAttempt
from perdure.core.model.records import AnnounceLeader, Invoke, Progress
from perdure.core.model.verdicts import Verdict
from perdure.engine.attempts import RECORD_MESSAGES_MAX
from perdure.protocol.messages import (
    SIGNAL_CANCEL,
    VOID,
    Completion,
    CompletionKind,
    Input,
    ProposeRunCompletion,
    ProposeRunCompletionAck,
    Run,
    SetState,
    Signal,
    Sleep,
    Suspension,
    Value,
)

# -- From the input to the output


async def test_an_attempt_begins_with_the_input_and_ends_with_the_output():
    world = await running(ScriptedHost(greet=returns(b"hello")))
    answer = await world.engine.requests.call(invoke())
    assert answer.outcome == Value(b"hello")
    (session,) = world.host.sessions
    assert session.address == "Greeter/greet"
    assert session.version == 7
    assert session.journal == [Input(Value(b"in"))]
    assert session.start.partial_state
    await world.stop()


async def test_an_object_s_handler_gets_its_state():
    world = await running(ScriptedHost(add=first_says(SetState(b"n", Value(b"1")), *ended())))
    await world.engine.requests.call(invoke(A, ADD))
    assert world.host.last.start.state_map == ()
    assert not world.host.last.start.partial_state
    await world.engine.requests.call(invoke(B, ADD))
    assert world.host.last.start.state_map == ((b"n", b"1"),)
    await world.stop()


async def test_lazy_state_is_left_out():
    lazy = manifest(
        service("Greeter", handler("greet")),
        replace(COUNTER, enable_lazy_state=True),
    )
    world = await running(ScriptedHost(lazy, add=returns()))
    await world.engine.requests.call(invoke(A, ADD))
    assert world.host.last.start.partial_state
    await world.stop()


async def test_news_reach_the_attempt_once_they_are_durable():
    world = await running(
        ScriptedHost(greet=first_says(Run(1), ProposeRunCompletion(1, Value(b"r"))))
    )
    propose(world, invoke())
    await settled()
    assert world.host.last.news == [Completion(CompletionKind.RUN, 1, Value(b"r"))]
    assert await world.engine.requests.signal(A, "s", VOID)
    assert world.host.last.news[1:] == [Signal("s", VOID)]
    await world.stop()


async def test_a_run_is_acknowledged_with_its_number_alone_where_that_was_asked():
    asks = ProposeRunCompletion(1, Value(b"r"), ack=True)
    world = await running(ScriptedHost(greet=first_says(Run(1), asks)))
    propose(world, invoke())
    await settled()
    assert world.host.last.news == [ProposeRunCompletionAck(1)]
    await world.stop()


async def test_a_suspended_invocation_comes_back_with_its_journal():
    world = await running()
    propose(world, invoke())
    await settled()
    due = world.clock.now_ms() + 5_000
    world.host.last.say(Sleep(due, 1), Suspension(on(1)))
    await settled()
    assert world.status() == "Suspended"
    assert world.engine._invoker.open_attempts == 0
    await asyncio.sleep(5.1)
    slept = Completion(CompletionKind.SLEEP, 1, VOID)
    assert world.host.last.journal == [Input(Value(b"in")), Sleep(due, 1), slept]
    await world.stop()


async def test_news_that_cross_a_suspension_on_their_way_wake_the_invocation():
    """A remote SDK may say that it waits before it has read what it waits for."""
    world = await running()
    propose(world, invoke())
    await settled()
    first = world.host.last
    await world.engine.requests.signal(A, 17, Value(b"now"))
    assert first.news == [Signal(17, Value(b"now"))]
    first.say(Suspension(on(signals=(17,))))
    await settled()
    assert world.status() == "Running"
    assert world.host.last is not first
    await world.stop()


async def test_a_signal_that_was_dealt_with_does_not_wake_for_ever():
    world = await running()
    propose(world, invoke())
    await settled()
    await world.engine.requests.cancel(A)
    for _ in range(2):
        world.host.last.say(Suspension(on(1, signals=(SIGNAL_CANCEL,))))
        await settled()
    assert world.status() == "Suspended"
    assert len(world.host.sessions) == 2
    await world.stop()


async def test_a_simple_call_is_two_records():
    world = await running(ScriptedHost(greet=returns()))
    await world.engine.requests.call(invoke())
    assert [type(body) for body in world.proposed()] == [AnnounceLeader, Invoke, Progress]
    assert world.engine._invoker.open_attempts == 0
    await world.stop()


# -- Attempts that are superseded


async def test_a_killed_invocation_s_attempt_is_aborted_and_not_heard():
    world = await running()
    propose(world, invoke())
    await settled()
    session = world.host.last
    assert await world.engine.requests.kill(A) is Verdict.DONE
    assert session.aborted
    session.say(*ended(b"too late"))
    await settled()
    assert world.engine._invoker.open_attempts == 0
    assert world.status() == "Completed"
    await world.stop()


async def test_a_paused_invocation_s_attempt_is_aborted_and_resumed_by_another():
    world = await running()
    propose(world, invoke())
    await settled()
    first = world.host.last
    assert await world.engine.requests.pause(A) is Verdict.ACCEPTED
    assert first.aborted
    assert await world.engine.requests.resume(A, None) is Verdict.DONE
    second = world.host.last
    assert second is not first
    second.say(*ended())
    await settled()
    assert world.status() == "Completed"
    await world.stop()


async def test_what_a_superseded_attempt_proposed_last_does_not_count():
    """Invariant I4, when the word and the kill are in one batch."""
    world = await running()
    propose(world, invoke())
    await settled()
    session = world.host.last
    pausing = asyncio.ensure_future(world.engine.requests.pause(A))
    await asyncio.sleep(0)
    session.say(*ended(b"at the same time"))
    await pausing
    await settled()
    assert world.status() == "Paused"
    assert world.journal() == [Input(Value(b"in"))]
    await world.stop()


async def test_an_attempt_that_is_started_twice_is_open_once():
    world = await running()
    propose(world, invoke())
    await settled()
    first = world.host.last
    world.engine._invoker.start(StartAttempt(A, world.row().attempt))
    assert first.aborted
    assert world.engine._invoker.open_attempts == 1
    world.host.last.say(*ended())
    await settled()
    assert world.status() == "Completed"
    await world.stop()


# -- Much at once


def sets(count: int) -> list[SetState]:
    return [SetState(b"%d" % number, Value(b"")) for number in range(count)]


async def test_what_is_said_at_once_goes_into_records_that_hold_up_nobody():
    world = await running()
    propose(world, invoke(A, ADD))
    await settled()
    said = sets(2 * RECORD_MESSAGES_MAX)
    world.host.last.say(*said, *ended())
    await settled()
    sizes = [len(body.entries) for body in world.proposed() if isinstance(body, Progress)]
    assert sizes == [RECORD_MESSAGES_MAX, RECORD_MESSAGES_MAX, 1]
    assert world.journal()[1:] == [*said, ended()[0]]
    assert world.status() == "Completed"
    await world.stop()


async def test_what_is_said_behind_a_refused_message_is_dropped_whatever_its_record():
    world = await running()
    propose(world, invoke(A))
    await settled()
    world.host.last.say(*sets(RECORD_MESSAGES_MAX + 1), *ended())
    await settled()
    assert [len(body.entries) for body in world.proposed() if isinstance(body, Progress)] == [0]
    assert world.row().status.problem.doc_code == "RT0017"
    assert world.host.last.aborted
    await world.stop()
