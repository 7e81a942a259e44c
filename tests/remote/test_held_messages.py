"""Services that do not take what they are sent, or leave what they send unfinished."""

from __future__ import annotations

import asyncio

import pytest
from remote_world import eventually, play, serving
from scripted_service import good, manifest, said, scripted

from perdure.engine.memory import LIGHT_BYTES
from perdure.protocol.messages import End, Output, Value

pytestmark = pytest.mark.usefixtures("nothing_unforeseen")

MIB = 1024 * 1024
CALLS = 8
LARGE = "x" * (MIB // 2)
#: Setting of HTTP/2: the window that streams begin with.
INITIAL_WINDOW = 4


def serves(name: str) -> dict:
    """Give a manifest of one service."""
    return manifest(services=[{"name": name, "ty": "SERVICE", "handlers": [{"name": "h"}]}])


def test_a_service_that_does_not_read_is_given_no_more_than_there_is_room_for():
    async def scenario():
        reads = asyncio.Event()

        async def reads_late(stream):
            await reads.wait()
            machine = stream.connection.machine
            machine.increment_flow_control_window(MIB, stream.id)
            stream.connection.flush()
            await good(stream)

        async with (
            serving(memory_bytes_limit=MIB) as world,
            scripted(reads_late) as late,
            scripted() as other,
        ):
            late.settings = {INITIAL_WINDOW: 0}
            other.manifest = serves("T")
            await world.registered(late.url)
            await world.registered(other.url)
            calls = [asyncio.ensure_future(world.call("/S/h", LARGE)) for _ in range(CALLS)]

            async def held() -> bool:
                return world.held_bytes >= MIB

            await eventually(held, expected=True)
            assert (await world.call("/T/h", "small ones go past")).json() == "good"
            assert (await world.send("/T/h", LARGE)).startswith("inv_")
            assert (len(late.streams), len(other.streams)) == (2, 1)
            reads.set()
            assert [(await call).json() for call in calls] == ["good"] * CALLS
            assert len(late.streams) == CALLS, "none was tried twice"

            async def begun() -> int:
                return len(other.streams)

            await eventually(begun, 2)

    play(scenario())


def test_messages_that_services_leave_half_sent_are_bounded_together():
    async def scenario():
        goes_on = asyncio.Event()
        message = said(Output(Value(b'"%b"' % (b"y" * (MIB // 2)))), End())
        half = len(message) // 2
        most = 0

        async def halves(stream):
            nonlocal most
            await stream.input()
            stream.head()
            await stream.pour(message[:half])
            most = max(most, world.held_bytes)
            await goes_on.wait()
            await stream.pour(message[half:])
            stream.say(b"", end=True)

        async with serving(memory_bytes_limit=MIB) as world, scripted(halves) as service:
            await world.registered(service.url)
            sent = [await world.send("/S/h", "x") for _ in range(CALLS)]

            async def failed() -> list:
                shown = [await world.shown(each) for each in sent]
                return [each["last_failure_error_code"] for each in shown if "last_failure" in each]

            assert set(await eventually(failed, bool)) == {"RT0001"}
            goes_on.set()
            for each in sent:
                assert (await world.result(each)).json() == "y" * (MIB // 2)
            assert most <= MIB + MIB // 2 + LIGHT_BYTES

    play(scenario())
