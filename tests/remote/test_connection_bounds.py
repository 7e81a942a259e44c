"""How many attempts are open at a service, and how its connections are known to be alive."""

from __future__ import annotations

import asyncio

import pytest
from remote_world import eventually, play, serving
from scripted_service import good, scripted

pytestmark = pytest.mark.usefixtures("nothing_unforeseen")


def test_no_more_attempts_are_open_than_may_be():
    async def scenario():
        gate = asyncio.Event()
        most = 0

        async def waits(stream):
            nonlocal most
            open_now = [each for each in service.streams if not each.ended.is_set()]
            most = max(most, len(open_now))
            await gate.wait()
            await good(stream)

        async def begun() -> int:
            return len(service.streams)

        async with serving(invocations_limit=3) as world, scripted(waits) as service:
            await world.registered(service.url)
            calls = [asyncio.ensure_future(world.call("/S/h", "x")) for _ in range(8)]
            await eventually(begun, 3)
            gate.set()
            assert [(await call).json() for call in calls] == ["good"] * 8
            assert most <= 3
            assert service.connections == 1

    play(scenario())


def test_a_connection_that_carries_a_silent_attempt_is_pinged():
    async def scenario():
        async def answers_after_a_ping(stream):
            await service.pinged.wait()
            await good(stream)

        async with serving(ping_interval_ms=50) as world, scripted(answers_after_a_ping) as service:
            await world.registered(service.url)
            assert (await world.call("/S/h", "x")).json() == "good"
            assert len(service.streams) == 1

    play(scenario())
