"""What services can get wrong in the newest version of the protocol only."""

from __future__ import annotations

import pytest
from remote_world import eventually, play, serving
from scripted_service import manifest, scripted

from perdure.protocol import wire
from perdure.protocol.framing import frame
from perdure.protocol.ids import awakeable_text, parse_invocation_id
from perdure.protocol.messages import SIGNAL_AWAKEABLE_FIRST, Call, End, Output, Value

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
    """Suspend on an awakeable in a future of so many levels; no encoder of ours is asked."""
    body = bytes([0x12, 1, SIGNAL_AWAKEABLE_FIRST])
    for _ in range(levels - 1):
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


def test_a_future_that_is_very_deep_wakes_with_its_leaf(tmp_path):
    """Also when the server was restarted meanwhile, for which it is stored."""

    async def scenario():
        async with scripted(saying(a_suspension(1000))) as service:
            service.manifest = manifest(maxProtocolVersion=VERSION)
            async with serving(data_dir=tmp_path) as world:
                await world.registered(service.url)
                invocation = await world.send("/S/h", "x")
                await eventually(lambda: world.status(invocation), "suspended")
                asked = "SELECT suspended_waiting_for_signals AS ids FROM sys_invocation"
                assert (await world.rows(asked)) == [{"ids": [SIGNAL_AWAKEABLE_FIRST]}]
            service.behaviour = saying(GOOD)
            async with serving(data_dir=tmp_path) as world:
                woken = awakeable_text(parse_invocation_id(invocation), SIGNAL_AWAKEABLE_FIRST)
                await world.call(f"/restate/awakeables/{woken}/resolve", "now")
                assert (await world.result(invocation)).json() == "good"
                assert len(service.streams) == 2

    play(scenario())


def test_how_deep_a_future_may_be_is_a_setting():
    async def scenario():
        deep = scripted(saying(a_suspension(11)))
        async with serving(future_levels_max=10) as world, deep as service:
            service.manifest = manifest(maxProtocolVersion=VERSION)
            await world.registered(service.url)
            invocation = await world.send("/S/h", "x")
            await eventually(lambda: world.status(invocation), "paused")
            shown = await world.shown(invocation)
            assert shown["last_failure_error_code"] == "RT0025"
            assert "worker.invoker.max-awaited-future-depth" in shown["last_failure"]

    play(scenario())


def test_a_future_that_is_too_deep_pauses_and_can_be_resumed():
    async def scenario():
        async with serving() as world, scripted(saying(a_suspension(1001))) as service:
            service.manifest = manifest(maxProtocolVersion=VERSION)
            await world.registered(service.url)
            invocation = await world.send("/S/h", "x")
            await eventually(lambda: world.status(invocation), "paused")
            shown = await world.shown(invocation)
            assert shown["last_failure_error_code"] == "RT0025"
            assert "flatten them" in shown["last_failure"]
            assert len(service.streams) == 1
            service.behaviour = saying(GOOD)
            await world.ask("PATCH", f"/invocations/{invocation}/resume")
            assert (await world.result(invocation)).json() == "good"

    play(scenario())
