"""An engine that closes: who waits is told, and nothing new is taken."""

from __future__ import annotations

import asyncio

import pytest
from engine_world import DAY_MS, A, B, ask, invoke, running, settled
from scripted_host import ScriptedHost, ended, on, returns

from perdure.engine.errors import RefusalError, UnavailableError
from perdure.engine.requests import NOT_READY
from perdure.protocol.messages import VOID, Sleep, Suspension, Value


async def test_a_closed_engine_takes_nothing():
    world = await running()
    requests = world.engine.requests
    await requests.submit(invoke())
    requests.close("the server stops")
    for request in (
        requests.call(invoke(B)),
        requests.submit(invoke(B)),
        requests.attach(A),
        requests.signal(A, "s", VOID),
        requests.cancel(A),
        requests.resume(A, None),
    ):
        with pytest.raises(UnavailableError) as refusal:
            await request
        assert refusal.value.status == 503
    assert requests.output(A) is NOT_READY, "looking is free"
    assert world.row(B) is None
    await world.stop()


async def test_a_closed_engine_still_tells_a_result_that_is_there():
    world = await running(ScriptedHost(greet=returns()))
    await world.engine.requests.call(invoke())
    world.engine.requests.close("the server stops")
    assert (await world.engine.requests.attach(A)).outcome == Value(b"out")
    await world.stop()


async def test_who_waits_while_the_engine_stops_is_told():
    world = await running()
    calls = [ask(world.engine.requests.call(invoke())), ask(world.engine.requests.attach(A))]
    await settled()
    calls.append(ask(world.engine.requests.attach(A)))
    await settled()
    world.host.last.say(Sleep(world.clock.now_ms() + DAY_MS, 1), Suspension(on(1)))
    await world.stop()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(answer) for answer in answers] == [UnavailableError, type(None), UnavailableError]


async def test_a_request_that_ends_while_the_engine_stops_is_answered():
    world = await running()
    asked = ask(world.engine.requests.call(invoke()))
    await settled()
    stopping = ask(world.stop(grace_s=10))
    await settled()
    world.host.last.say(*ended())
    assert (await asked).outcome == Value(b"out")
    await stopping


async def test_nobody_is_left_waiting_when_the_log_fails():
    world = await running()
    requests = world.engine.requests
    asked = ask(requests.call(invoke()))
    await settled()
    world.records.fail("disk full")
    others = [ask(requests.submit(invoke(B))), ask(requests.kill(A)), ask(requests.call(invoke(B)))]
    answers = await asyncio.gather(asked, *others, return_exceptions=True)
    assert all(isinstance(answer, UnavailableError) for answer in answers)
    with pytest.raises(RefusalError):
        await requests.submit(invoke(B))
    assert [str(error) for error in world.failures] == ["disk full"]
    await world.stop()
