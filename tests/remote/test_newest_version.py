"""What services can get wrong in the newest version of the protocol only."""

from __future__ import annotations

import pytest
from remote_world import eventually, play, serving
from scripted_service import manifest, scripted

from perdure.protocol import wire
from perdure.protocol.framing import frame
from perdure.protocol.messages import Call, End, Output, Value

pytestmark = pytest.mark.usefixtures("nothing_unforeseen")
VERSION = 7
TYPE = f"application/vnd.restate.invocation.v{VERSION}"
GOOD = wire.encode(Output(Value(b'"good"')), VERSION) + wire.encode(End(), VERSION)


def saying(piece: bytes):
    """Make a behaviour that answers with bytes and closes its side."""

    async def behave(stream):
        await stream.input()
        stream.head(content_type=TYPE)
        stream.say(piece, end=True)

    return behave


def a_suspension(levels: int) -> bytes:
    """Suspend on a future that nests, deeper than any library writes it."""
    body = b"\x0a\x01\x01"
    for _ in range(levels):
        body = b"\x22" + _varint(len(body)) + body
    return frame(0x0001, 0, b"\x22" + _varint(len(body)) + body)


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes([number])
    return bytes([number & 0x7F | 0x80]) + _varint(number >> 7)


def test_a_call_with_a_scope_is_filed_and_tried_again():
    async def scenario():
        call = Call("S", "h", b"", 1, 2, scope="s")
        async with serving() as world, scripted(saying(wire.encode(call, VERSION))) as service:
            service.manifest = manifest(maxProtocolVersion=VERSION)
            await world.registered(service.url)
            invocation = await world.send("/S/h", "x")
            shown = await eventually(
                lambda: world.shown(invocation), lambda each: "last_failure" in each
            )
            assert shown["last_failure_error_code"] == "RT0024"
            assert "leave them out" in shown["last_failure"]
            service.behaviour = saying(GOOD)
            assert (await world.result(invocation)).json() == "good"

    play(scenario())


def test_a_future_that_is_too_deep_pauses_and_can_be_resumed():
    async def scenario():
        async with serving() as world, scripted(saying(a_suspension(300))) as service:
            service.manifest = manifest(maxProtocolVersion=VERSION)
            await world.registered(service.url)
            invocation = await world.send("/S/h", "x")
            await eventually(lambda: world.status(invocation), "paused")
            shown = await world.shown(invocation)
            assert shown["last_failure_error_code"] == "RT0025"
            assert "flatten it" in shown["last_failure"]
            assert len(service.streams) == 1
            service.behaviour = saying(GOOD)
            await world.ask("PATCH", f"/invocations/{invocation}/resume")
            assert (await world.result(invocation)).json() == "good"

    play(scenario())
