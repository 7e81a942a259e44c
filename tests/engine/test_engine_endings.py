"""Attempts that are asked to end: after a silence, and when the engine drains."""

from __future__ import annotations

import asyncio

from engine_world import A, B, invoke, propose, running, settled
from scripted_host import ScriptedHost, handler, manifest, on, service

from perdure.protocol.messages import (
    VOID,
    AwaitingOn,
    Completion,
    CompletionKind,
    ProposeRunCompletion,
    Run,
    Sleep,
    Suspension,
    Value,
)

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


# -- Draining


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
