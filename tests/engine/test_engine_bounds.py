"""Bounds of the engine: which requests are refused, and that nothing comes of those."""

from __future__ import annotations

import asyncio

import pytest
from engine_world import A, ask, ident, invoke, running, settled
from scripted_host import ended

from perdure.engine.errors import OverloadedError
from perdure.engine.gate import Limits
from perdure.protocol.messages import VOID, Input, Value


async def test_a_request_beyond_the_waiters_is_refused_and_nothing_comes_of_it():
    world = await running(limits=Limits(waiters=2))
    asked = [ask(world.engine.requests.call(invoke(ident(name)))) for name in "AB"]
    await settled()
    with pytest.raises(OverloadedError) as refusal:
        await world.engine.requests.call(invoke(ident("C")))
    assert refusal.value.status == 429
    assert world.row(ident("C")) is None
    with pytest.raises(OverloadedError):
        await world.engine.requests.attach(A)
    for session in world.host.sessions:
        session.say(*ended())
    await asyncio.gather(*asked)
    await ask(world.engine.requests.submit(invoke(ident("C"))))
    await world.stop()


async def test_a_request_beyond_what_the_log_can_take_is_refused():
    world = await running(limits=Limits(records=2))
    world.log._call_soon = lambda _commit: None
    asked = [ask(world.engine.requests.submit(invoke(ident(name)))) for name in "AB"]
    await settled()
    with pytest.raises(OverloadedError, match="log is behind"):
        await world.engine.requests.submit(invoke(ident("C")))
    with pytest.raises(OverloadedError):
        await world.engine.requests.signal(A, "s", VOID)
    with pytest.raises(OverloadedError):
        await world.engine.requests.kill(A)
    world.log._call_soon = asyncio.get_running_loop().call_soon
    world.log.commit()
    await asyncio.gather(*asked)
    await world.stop()


async def test_large_records_use_up_what_the_log_can_take_sooner():
    world = await running(limits=Limits(record_bytes=1000))
    world.log._call_soon = lambda _commit: None
    large = invoke(ident("A"), input=Input(Value(bytes(1000))))
    asked = ask(world.engine.requests.submit(large))
    await settled()
    with pytest.raises(OverloadedError, match="log is behind"):
        await world.engine.requests.submit(invoke(ident("B")))
    world.log._call_soon = asyncio.get_running_loop().call_soon
    world.log.commit()
    await asked
    await world.engine.requests.submit(invoke(ident("B")))
    assert world.engine.partition.waiting_bytes == 0
    await world.stop()


async def test_a_request_beyond_what_can_wait_for_a_slot_is_refused():
    world = await running(slots=1, limits=Limits(queued_attempts=1))
    for name in "AB":
        await world.engine.requests.submit(invoke(ident(name)))
    with pytest.raises(OverloadedError, match="slot"):
        await world.engine.requests.submit(invoke(ident("C")))
    await world.stop()
