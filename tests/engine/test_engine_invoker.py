"""Attempts: how many at once, in which order, and what ends them."""

from __future__ import annotations

import asyncio
import logging

import pytest
from engine_world import ADD, GREET, RELAY, A, B, C, EngineWorld, ident, invoke, settled, until
from msgspec.structs import replace
from scripted_host import (
    COUNTER,
    GREETER,
    ScriptedHost,
    ended,
    first_says,
    handler,
    manifest,
    on,
    returns,
    service,
)

from perdure.core.model.invocations import Problem, Running
from perdure.core.model.records import AnnounceLeader, Invoke, Progress
from perdure.core.model.verdicts import Verdict
from perdure.engine.transports import TransportError
from perdure.protocol.ids import invocation_text
from perdure.protocol.messages import (
    SIGNAL_CANCEL,
    VOID,
    AwaitingOn,
    Call,
    Completion,
    CompletionKind,
    Error,
    Input,
    Output,
    ProposeRunCompletion,
    ProposeRunCompletionAck,
    Run,
    SetState,
    Signal,
    Sleep,
    Suspension,
    Value,
)


async def running(host: ScriptedHost | None = None, **options) -> EngineWorld:
    world = EngineWorld(host, **options)
    await world.start()
    return world


def propose(world: EngineWorld, *bodies) -> None:
    for body in bodies:
        world.engine.partition.propose(body)


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


# -- Slots


async def test_no_more_attempts_are_open_than_there_are_slots():
    world = await running(slots=2)
    propose(world, *(invoke(ident(name)) for name in "ABCDE"))
    await settled()
    assert len(world.host.sessions) == 2
    assert world.engine._invoker.open_attempts == 2
    assert world.engine._invoker.queued == 3

    world.host.sessions[0].say(*ended())
    await settled()
    assert len(world.host.sessions) == 3
    assert world.engine._invoker.queued == 2
    await world.stop()


async def test_who_waits_for_a_slot_gets_one_in_the_order_of_arrival():
    world = await running(slots=1)
    names = "ABCDE"
    propose(world, *(invoke(ident(name)) for name in names))
    for _ in names:
        await settled()
        world.host.last.say(*ended())
    await settled()
    assert [each.start.id for each in world.host.sessions] == [ident(name) for name in names]
    await world.stop()


async def test_handlers_that_end_at_once_do_not_start_each_other_within_themselves():
    world = await running(ScriptedHost(greet=returns()), slots=1)
    propose(world, *(invoke(ident(str(number))) for number in range(2_000)))
    await until(lambda: len(world.host.sessions) == 2_000)
    await settled()
    assert world.engine._invoker.queued == 0
    await world.stop()


async def test_what_was_killed_while_it_waited_for_a_slot_is_not_started():
    world = await running(slots=1)
    propose(world, invoke(A), invoke(B), invoke(C))
    await settled()
    assert await world.engine.requests.kill(B) is Verdict.DONE
    world.host.last.say(*ended())
    await settled()
    assert [each.start.id for each in world.host.sessions] == [A, C]
    await world.stop()


async def test_a_parent_that_waits_gives_its_slot_to_its_child():
    call = Call("Greeter", "greet", b"", 1, 2)

    def relay(session):
        done = [each for each in session.heard if isinstance(each, Completion)]
        if any(each.completion_id == 2 for each in done):
            session.say(*ended(b"relayed"))
        elif session.input_closed:
            session.say(Suspension(on(2)))
        elif session.start.known_entries == 1 and not session.news:
            session.say(call, AwaitingOn(on(2)))

    world = await running(ScriptedHost(relay=relay, greet=returns(b"child")), slots=1)
    async with asyncio.timeout(5):
        answer = await world.engine.requests.call(invoke(A, RELAY))
    assert answer.outcome == Value(b"relayed")
    assert [each.address for each in world.host.sessions] == [
        "Greeter/relay",
        "Greeter/greet",
        "Greeter/relay",
    ]
    await world.stop()


async def test_only_those_who_just_wait_are_asked_to_make_room():
    world = await running(slots=2)
    propose(world, invoke(A), invoke(B))
    await settled()
    busy, idle = world.host.sessions
    idle.say(Sleep(world.clock.now_ms() + 60_000, 1), AwaitingOn(on(1)))
    await settled()
    assert not idle.input_closed, "nobody waits for a slot"
    propose(world, invoke(C))
    await asyncio.sleep(0.2)
    assert idle.input_closed
    assert not busy.input_closed
    assert len(world.host.sessions) == 2, "its slot is free once it has suspended"
    idle.say(Suspension(on(1)))
    await settled()
    assert world.host.last.start.id == C
    await world.stop()


async def test_those_who_begin_to_wait_later_make_room_then():
    world = await running(slots=1)
    propose(world, invoke(A), invoke(B))
    await asyncio.sleep(1)
    (first,) = world.host.sessions
    first.say(Sleep(world.clock.now_ms() + 60_000, 1), AwaitingOn(on(1)))
    await asyncio.sleep(0.2)
    assert first.input_closed
    await world.stop()


async def test_who_was_asked_to_suspend_hears_nothing_more_and_misses_nothing():
    world = await running()
    propose(world, invoke())
    await settled()
    first = world.host.last
    first.say(AwaitingOn(on(signals=(17,))))
    world.engine._invoker._open[A].close_input()
    assert await world.engine.requests.signal(A, 17, Value(b"now"))
    assert first.news == []
    first.say(Suspension(on(signals=(17,))))
    await settled()
    assert world.host.last.journal[1:] == [Signal(17, Value(b"now"))]
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
    world.engine._invoker.start(A, world.row().attempt)
    assert first.aborted
    assert world.engine._invoker.open_attempts == 1
    world.host.last.say(*ended())
    await settled()
    assert world.status() == "Completed"
    await world.stop()


# -- Failures


async def test_a_failed_attempt_is_tried_again_by_policy():
    world = await running(ScriptedHost(greet=first_says(Error(500, "boom"))))
    propose(world, invoke())
    await asyncio.sleep(10)
    starts = [each.start.retry_count_since_last_stored_entry for each in world.host.sessions]
    assert starts == [0, 1, 2, 3, 4], "after 0.5, 1, 2 and 4 seconds"
    await world.stop()


async def test_a_failure_is_told_in_one_line(caplog):
    counts = first_says(Error(500, "boom\nand a secret in the second line"))
    world = await running(ScriptedHost(add=counts))
    with caplog.at_level(logging.WARNING, "perdure.engine"):
        propose(world, invoke(A, ADD))
        await asyncio.sleep(1)
    name = invocation_text(A)
    assert [record.getMessage() for record in caplog.records] == [
        f"{name} Counter/k/add: attempt 1 failed: boom [RT0007]",
        f"{name} Counter/k/add: attempt 2 failed: boom [RT0007]",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    await world.stop()


async def test_a_failure_of_an_attempt_that_was_superseded_is_not_told(caplog):
    world = await running()
    propose(world, invoke())
    await settled()
    session = world.host.last
    await world.engine.requests.kill(A)
    session.say(Error(500, "boom"))
    assert caplog.records == []
    await world.stop()


class BrokenSession:
    """A session with a defect in one of its methods."""

    def __init__(self, session, broken: str) -> None:
        self._session = session
        self._broken = broken

    def receive(self, messages) -> None:
        self._session.receive(messages)
        self._break("receive")

    def close_input(self) -> None:
        self._break("close_input")

    def abort(self) -> None:
        self._session.abort()
        self._break("abort")

    def _break(self, method: str) -> None:
        if method == self._broken:
            raise ZeroDivisionError(method)


class BrokenHost(ScriptedHost):
    """Its sessions have a defect until it is mended."""

    broken: str | None = None

    def open(self, service, handler, protocol_version, sink):
        if self.broken == "open":
            raise ZeroDivisionError
        session = super().open(service, handler, protocol_version, sink)
        return session if self.broken is None else BrokenSession(session, self.broken)


@pytest.mark.parametrize("broken", ["open", "receive", "close_input"])
async def test_a_defect_of_a_session_costs_one_attempt(broken, caplog):
    host = BrokenHost()
    world = await running(host)
    host.broken = broken
    with caplog.at_level(logging.CRITICAL, "perdure.engine"):
        propose(world, invoke())
        await settled()
        if broken == "close_input":
            world.engine._invoker._open[A].close_input()
            await settled()
    assert world.engine._invoker.open_attempts == 0
    row = world.row()
    assert isinstance(row.status, Running)
    assert row.status.problem.doc_code == "RT0006"
    host.broken = None
    await asyncio.sleep(1)
    world.host.last.say(*ended())
    await settled()
    assert world.status() == "Completed"
    assert world.failures == []
    await world.stop()


async def test_a_defect_while_aborting_keeps_nobody(caplog):
    host = BrokenHost()
    world = await running(host)
    host.broken = "abort"
    propose(world, invoke())
    await settled()
    with caplog.at_level(logging.CRITICAL, "perdure.engine"):
        assert await world.engine.requests.kill(A) is Verdict.DONE
    assert world.engine._invoker.open_attempts == 0
    await world.stop()
    assert world.failures == []


async def test_a_session_that_ends_and_then_fails_has_ended(caplog):
    host = BrokenHost(greet=returns())
    world = await running(host)
    host.broken = "receive"
    with caplog.at_level(logging.CRITICAL, "perdure.engine"):
        answer = await world.engine.requests.call(invoke())
    assert answer.outcome == Value(b"out")
    await world.stop()


@pytest.mark.parametrize(
    "said",
    [
        [Output(Value(b"")), Error(500, "half a pair: \udcff")],
        [Run(1, "\udcff")],
        [Call("Counter", "add", b"", 1, 2, key="\udcff")],
        [Sleep(2**64, 1)],
    ],
)
async def test_what_cannot_be_stored_costs_one_attempt(said, caplog):
    world = await running()
    propose(world, invoke())
    await settled()
    session = world.host.last
    with caplog.at_level(logging.CRITICAL, "perdure.engine"):
        session.say(*said)
        await settled()
    assert session.aborted
    row = world.row()
    assert isinstance(row.status, Running)
    assert "cannot be stored" in row.status.problem.message
    assert world.journal() == [Input(Value(b"in"))]
    await asyncio.sleep(1)
    world.host.last.say(*ended())
    await settled()
    assert world.status() == "Completed"
    await world.stop()


async def test_a_transport_that_cannot_reach_a_deployment_is_tried_again():
    world = await running()
    reach = world.transport.open

    def out_of_reach(*_):
        raise TransportError("RT0010", "connection refused")

    world.transport.open = out_of_reach
    propose(world, invoke())
    await settled()
    problem = world.row().status.problem
    assert (problem.doc_code, problem.message) == ("RT0010", "connection refused")
    world.transport.open = reach
    await asyncio.sleep(1)
    world.host.last.say(*ended())
    await settled()
    assert world.status() == "Completed"
    await world.stop()


async def test_a_session_that_is_lost_comes_back_when_the_service_asks_for_it():
    world = await running()
    lines = []
    reach = world.transport.open

    def noting(deployment, line):
        lines.append(line)
        return reach(deployment, line)

    world.transport.open = noting
    propose(world, invoke())
    await settled()
    assert lines[0].invocation_id == A
    session = world.host.last
    lines[0].lost(Problem(429, "slow down", doc_code="RT0023"), 5_000)
    await settled()
    assert session.aborted
    assert world.row().status.failures == 0, "an override consumes no attempt"
    lines[0].lost(Problem(500, "lost twice"), None)
    await asyncio.sleep(4.9)
    assert len(lines) == 1
    await asyncio.sleep(0.2)
    world.host.last.say(*ended())
    await settled()
    assert world.status() == "Completed"
    await world.stop()


async def test_a_handler_that_nobody_serves_is_waited_for():
    world = await running()
    later = manifest(GREETER, COUNTER, service("Later", handler("greet")))
    propose(world, invoke(A, replace(GREET, service="Later")))
    await settled()
    problem = world.row().status.problem
    assert problem.doc_code == "RT0011"
    assert "Later/greet" in problem.message
    assert world.row().status.failures_since_progress == 0, "the handler did not fail"
    world.serve(ScriptedHost(later))
    await asyncio.sleep(1)
    assert world.host.last.address == "Later/greet"
    await world.stop()


async def test_a_handler_that_nobody_serves_is_waited_for_by_the_server_s_policy():
    world = EngineWorld()
    policy = replace(world.defaults.retry_policy, max_attempts=2, initial_interval_ms=100)
    world.defaults = replace(world.defaults, retry_policy=policy)
    await world.start()
    propose(world, invoke(A, replace(GREET, service="Never")))
    await asyncio.sleep(1)
    assert world.status() == "Paused"
    await world.stop()


# -- Silence


def with_timeouts(inactivity_ms: int, abort_ms: int) -> ScriptedHost:
    patient = handler("greet", inactivity_timeout=inactivity_ms, abort_timeout=abort_ms)
    return ScriptedHost(manifest(service("Greeter", patient)))


async def test_a_silent_attempt_is_asked_to_suspend():
    world = await running(with_timeouts(5_000, 60_000))
    propose(world, invoke())
    await asyncio.sleep(4.5)
    assert not world.host.last.input_closed
    await asyncio.sleep(2)
    assert world.host.last.input_closed
    await world.stop()


async def test_any_word_in_either_direction_breaks_the_silence():
    world = await running(with_timeouts(5_000, 60_000))
    propose(world, invoke())
    await asyncio.sleep(4)
    world.host.last.say(AwaitingOn(on(1)))
    await asyncio.sleep(4)
    await world.engine.requests.signal(A, "s", VOID)
    await asyncio.sleep(4)
    assert not world.host.last.input_closed
    await asyncio.sleep(3)
    assert world.host.last.input_closed
    await world.stop()


async def test_an_attempt_that_does_not_suspend_is_aborted_and_tried_again():
    world = await running(with_timeouts(5_000, 10_000))
    propose(world, invoke())
    await asyncio.sleep(14)
    session = world.host.last
    assert session.input_closed
    assert not session.aborted
    await asyncio.sleep(3)
    assert session.aborted
    problem = world.row().status.problem
    assert problem.doc_code == "RT0001"
    assert "10000 ms" in problem.message
    await asyncio.sleep(1)
    assert world.host.last is not session
    await world.stop()


async def test_progress_after_the_request_to_suspend_postpones_the_abort():
    world = await running(with_timeouts(2_000, 10_000))
    propose(world, invoke())
    await asyncio.sleep(8)
    world.host.last.say(Run(1))
    await asyncio.sleep(9)
    assert not world.host.last.aborted
    await asyncio.sleep(3)
    assert world.host.sessions[0].aborted
    await world.stop()


async def test_an_inactivity_timeout_of_nothing_asks_soon():
    world = await running(with_timeouts(0, 60_000))
    propose(world, invoke())
    await asyncio.sleep(1.5)
    assert world.host.last.input_closed
    await world.stop()


# -- The end


async def test_draining_lets_attempts_suspend_and_starts_nothing_new():
    world = await running(slots=1)
    propose(world, invoke(A), invoke(B))
    await settled()
    session = world.host.last
    stopping = asyncio.ensure_future(world.engine.drain(10))
    await settled()
    assert session.input_closed
    assert not stopping.done()
    session.say(Sleep(world.clock.now_ms() + 60_000, 1), Suspension(on(1)))
    await stopping
    assert world.status(A) == "Suspended"
    assert len(world.host.sessions) == 1
    await world.engine.close()
    await world.start()
    await settled()
    assert world.host.last.start.id == B
    await world.stop()


async def test_draining_aborts_what_does_not_suspend_in_time():
    world = await running()
    propose(world, invoke())
    await settled()
    began = world.clock.now_ms()
    await world.engine.drain(10)
    assert world.clock.now_ms() - began == 10_000
    assert world.host.last.aborted
    assert world.status() == "Running", "the next start goes on with it"
    await world.engine.close()


async def test_what_an_attempt_does_while_draining_is_kept():
    world = await running()
    propose(world, invoke())
    await settled()
    stopping = asyncio.ensure_future(world.engine.drain(10))
    await settled()
    world.host.last.say(Run(1), ProposeRunCompletion(1, Value(b"r")), Suspension(on(1)))
    await stopping
    await world.engine.close()
    await world.start()
    await settled()
    assert world.host.last.journal[1:] == [Run(1), Completion(CompletionKind.RUN, 1, Value(b"r"))]
    await world.stop()


async def test_a_simple_call_is_two_records():
    world = await running(ScriptedHost(greet=returns()))
    await world.engine.requests.call(invoke())
    assert [type(body) for body in world.proposed()] == [AnnounceLeader, Invoke, Progress]
    assert world.engine._invoker.open_attempts == 0
    await world.stop()
