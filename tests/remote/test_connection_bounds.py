"""How many attempts are open at a service, and how its connections are known to be alive."""

from __future__ import annotations

import asyncio

import pytest
from remote_world import eventually, play, serving
from scripted_service import good, said, scripted

from perdure.protocol.messages import End, Output, Value

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


def test_no_more_streams_are_open_on_a_connection_than_is_set():
    async def scenario():
        gate = asyncio.Event()

        async def waits(stream):
            await gate.wait()
            await good(stream)

        async def begun() -> int:
            return len(service.streams)

        async with serving(streams_limit=2) as world, scripted(waits) as service:
            await world.registered(service.url)
            calls = [asyncio.ensure_future(world.call("/S/h", "x")) for _ in range(6)]
            await eventually(begun, 6)
            assert service.connections == 3
            gate.set()
            assert [(await call).json() for call in calls] == ["good"] * 6

    play(scenario())


def test_a_service_keeps_to_the_windows_that_are_set():
    async def scenario():
        answer = b'"' + b"x" * 300_000 + b'"'

        async def pours(stream):
            await stream.input()
            stream.head()
            window = stream.connection.machine.local_flow_control_window(stream.id)
            windows.append((window, stream.connection.machine.outbound_flow_control_window))
            await stream.pour(said(Output(Value(answer)), End()))
            await stream.ended.wait()
            stream.say(b"", end=True)

        windows: list[tuple[int, int]] = []
        small = {"stream_window_bytes": 65_536, "connection_window_bytes": 131_072}
        async with serving(**small) as world, scripted(pours) as service:
            await world.registered(service.url)
            assert (await world.call("/S/h", "x")).content == answer
            [(stream_window, connection_window)] = windows
            assert stream_window == 65_536
            # The answer to discovery took a little.
            assert 130_000 < connection_window <= 131_072

    play(scenario())


def test_headers_of_the_settings_come_after_those_of_the_deployment():
    async def scenario():
        headers = {"x-both": "server", "x-server": "s", "x-restate-cluster-name": "c"}
        async with serving(additional_headers=headers) as world, scripted() as service:
            await world.registered(service.url, additional_headers={"x-both": "deployment"})
            assert (await world.call("/S/h", "x")).json() == "good"
            heard = service.streams[0].headers
            assert (heard["x-both"], heard["x-server"]) == ("deployment", "s")
            assert heard["x-restate-cluster-name"] == "c"
            assert service.discovery_headers["x-server"] == "s"
            assert service.discovery_headers["x-both"] == "deployment"

    play(scenario())
