from __future__ import annotations

import asyncio
import socket

import pytest
from engine_world import IN, KEPT, RELAY, A, until
from partitions import Server, key_of
from scripted_host import ScriptedHost, ScriptedSession, on, returns
from virtual_time import run_virtually

from perdure.core.model.records import Delivered, Invoke
from perdure.core.model.targets import HandlerKind, Target
from perdure.core.tables.keys import partition_fact
from perdure.core.tables.tables import SENT, TAKEN
from perdure.engine.errors import UnavailableError
from perdure.engine.outbox import DivergedError
from perdure.links.errors import BrokenAnswerError
from perdure.links.questions import TakeParcel
from perdure.protocol.messages import (
    Call,
    Completion,
    End,
    Output,
    Suspension,
    Value,
)

THERE = key_of(1)
REQUEST = Invoke(A, RELAY, IN, KEPT)


def relay(session: ScriptedSession) -> None:
    """Call a counter in the other partition, and return what it does."""
    known = [*session.journal, *session.news]
    results = [
        message
        for message in known
        if isinstance(message, Completion) and message.completion_id == 2
    ]
    if results:
        assert isinstance(results[0].result, Value)
        session.say(Output(Value(b"got " + results[0].result.content)), End())
    elif not session.news and not session.input_closed:
        if not any(isinstance(message, Call) for message in session.journal):
            session.say(Call("Counter", "add", b"", 1, 2, key=THERE))
        session.say(Suspension(on(2)))


def server() -> Server:
    return Server(ScriptedHost(relay=relay), ScriptedHost(add=returns(b"1")))


def added(server: Server) -> list[bytes]:
    """Give the invocations that the other partition has been asked for."""
    table = server.processes[1].engine.partition.tables.invocations
    return [key for key, _ in table.scan(b"", b"\xff" * 25, 100)]


def in_flight(server: Server) -> int:
    return sum(
        len(process.engine.partition.tables.outbox.scan(b"", b"\xff" * 25, 100))
        for process in server.processes
    )


async def test_a_handler_calls_one_in_another_partition():
    both = server()
    await both.start()
    answer = await both.processes[0].engine.requests.call(REQUEST)
    assert answer.outcome == Value(b"got 1")
    assert len(added(both)) == 1
    await until(lambda: in_flight(both) == 0)
    await both.stop()


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("later", [0, 3])
def test_a_crash_between_any_two_steps_is_only_a_delay(first, later):
    steps = 0

    async def scenario() -> None:
        nonlocal over
        both = server()
        await both.start()
        asked = asyncio.ensure_future(both.processes[0].engine.requests.call(REQUEST))
        for _ in range(steps):
            await asyncio.sleep(0.05 if asked.done() else 0)
        over = asked.done() and in_flight(both) == 0
        await both.crash(first, later)
        await asyncio.wait((asked,))
        asked.exception()
        await both.start()
        answer = await both.processes[0].engine.requests.call(REQUEST)
        assert answer.outcome == Value(b"got 1")
        assert len(added(both)) == 1
        await until(lambda: in_flight(both) == 0)
        assert [process.failures for process in both.processes] == [[], []]
        await both.stop()

    over = False
    while not over and steps < 300:
        run_virtually(scenario())
        steps += 1
    assert steps > 20


async def test_a_partition_that_has_forgotten_what_it_took_ends_the_server():
    both = server()
    await both.start()
    await both.processes[0].engine.requests.call(REQUEST)
    await until(lambda: in_flight(both) == 0)
    facts = both.processes[1].engine.partition.tables.facts
    assert facts.get(partition_fact(TAKEN, 0)) == 1
    await both.crash(0, 0)
    both.processes[1].forget()
    with pytest.raises(ExceptionGroup) as raised:
        await both.start()
    assert [type(each) for each in raised.value.exceptions] == [DivergedError]
    await both.crash(0, 0)


async def test_whoever_is_gone_before_anything_is_carried_holds_up_nobody():
    both = server()
    here, there = socket.socketpair()
    both.processes[0].link(here)
    there.close()
    await both.processes[0].start()
    assert both.processes[0].lost == [1]
    assert both.processes[0].failures == []
    await both.processes[0].crash()


async def test_a_parcel_with_a_gap_before_it_ends_the_server():
    both = server()
    await both.start()
    message = Invoke(A, Target("Counter", "add", HandlerKind.EXCLUSIVE, THERE), IN, KEPT)
    parcel = TakeParcel(Delivered(0, 3, (message,)))
    both.processes[0].links.ask(1, parcel, lambda _answer: None)
    await until(lambda: both.processes[1].failures)
    assert isinstance(both.processes[1].failures[0], DivergedError)
    assert both.processes[0].engine.partition.tables.facts.get(partition_fact(SENT, 1)) is None
    await both.processes[0].crash()


async def test_at_the_end_of_a_link_nothing_more_is_shipped():
    both = server()
    await both.start()
    await both.processes[1].crash()
    await until(lambda: both.processes[0].lost == [1])
    asked = asyncio.ensure_future(both.processes[0].engine.requests.call(REQUEST))
    await until(lambda: in_flight(both))
    await asyncio.sleep(1)
    assert not asked.done()
    assert both.processes[0].failures == []
    await both.processes[0].crash()
    await asyncio.wait((asked,))
    asked.exception()


async def test_a_partition_that_cannot_take_a_parcel_does_not_leave_it_waiting():
    def break_down(_question, _on_answer):
        raise ZeroDivisionError

    both = server()
    await both.start()
    both.processes[1].links.answer(TakeParcel, break_down)
    asked = asyncio.ensure_future(both.processes[0].engine.requests.call(REQUEST))
    await until(lambda: both.processes[0].failures)
    assert isinstance(both.processes[0].failures[0], BrokenAnswerError)
    await asyncio.wait((asked,))
    assert isinstance(asked.exception(), UnavailableError)
    await both.processes[1].crash()
