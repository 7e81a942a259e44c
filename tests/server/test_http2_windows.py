"""The windows of HTTP/2: who may send how much, and who has to wait."""

import asyncio
import struct
from http import HTTPStatus

from asgi_applications import respond
from http2_client import ENDED, GET, Conversation, refused
from open_servers import play

from perdure.server.http2_sender import CONNECTION_WINDOW, STREAM_WINDOW
from perdure.transport.http2_frames import (
    FRAME_BYTES_DEFAULT,
    ErrorCode,
    FrameType,
    Setting,
    settings_frame,
)


def test_a_client_gets_room_for_what_was_read(world):
    exchange = world.open()
    for _ in range(STREAM_WINDOW // FRAME_BYTES_DEFAULT):
        world.send(1, b"x" * FRAME_BYTES_DEFAULT)
    assert world.told() == []
    play(exchange.receive())
    assert world.told() == [("window_update", 1, STREAM_WINDOW)]


def test_a_stream_that_overflows_is_ended(world):
    world.open()
    for _ in range(STREAM_WINDOW // FRAME_BYTES_DEFAULT):
        world.send(1, b"x" * FRAME_BYTES_DEFAULT)
    world.send(1, b"x")
    assert ("rst_stream", 1, ErrorCode.FLOW_CONTROL_ERROR) in world.told()


def test_a_connection_that_overflows_is_ended(world):
    streams = CONNECTION_WINDOW // STREAM_WINDOW
    for number in range(streams):
        world.open(2 * number + 1)
        for _ in range(STREAM_WINDOW // FRAME_BYTES_DEFAULT):
            world.send(2 * number + 1, b"x" * FRAME_BYTES_DEFAULT)
    world.open(2 * streams + 1)
    assert refused(world, ErrorCode.FLOW_CONTROL_ERROR, FrameType.DATA, 0, 2 * streams + 1, b"x")


def test_what_nobody_reads_does_not_use_up_the_connection(world):
    for number in range(2 * CONNECTION_WINDOW // FRAME_BYTES_DEFAULT):
        world.open(2 * number + 1)
        world.send(2 * number + 1, b"x" * FRAME_BYTES_DEFAULT)
        world.reset(2 * number + 1)
        world.begun[-1]._wire.finished(world.begun[-1], HTTPStatus.OK)
        world.now += 1
    assert any(each[:2] == ("window_update", 0) for each in world.told())


def test_a_response_waits_for_the_windows():
    world = Conversation(settings_frame({Setting.INITIAL_WINDOW_SIZE: 10}))
    exchange = world.open(fields=GET, flags=ENDED)
    play(respond(exchange.send, b"x" * 15))
    assert world.told()[1:] == [("data", 1, b"x" * 10)]
    world.widen(1, 3)
    assert world.told() == [("data", 1, b"xxx")]
    world.hear(FrameType.SETTINGS, 0, 0, struct.pack(">HL", Setting.INITIAL_WINDOW_SIZE, 50))
    assert world.told()[-1] == ("end", 1, b"xx")


def test_the_connections_window_is_shared(world):
    bodies = {1: b"a" * 50_000, 3: b"b" * 50_000}
    for stream_id, body in bodies.items():
        play(respond(world.open(stream_id, fields=GET, flags=ENDED).send, body))
    first = sum(len(each[2]) for each in world.told() if each[0] in ("data", "end"))
    assert first == 65_535
    world.widen(0, 100_000)
    assert {each[1] for each in world.told() if each[0] == "end"} <= {1, 3}
    assert world.machine.idle


def test_an_application_waits_for_a_slow_client():
    world = Conversation(settings_frame({Setting.INITIAL_WINDOW_SIZE: 0}))
    exchange = world.open(fields=GET, flags=ENDED)

    async def scenario():
        await exchange.send({"type": "http.response.start", "status": 200})
        piece = {"type": "http.response.body", "body": b"x" * 100_000, "more_body": True}
        await exchange.send(piece)
        sending = asyncio.ensure_future(exchange.send(piece))
        await asyncio.sleep(0)
        assert not sending.done()
        world.widen(1, 50_000)
        world.said()
        await sending

    play(scenario())


def test_windows_have_an_upper_bound(world):
    world.open(fields=GET)
    world.widen(1, 2**31 - 1)
    assert world.told() == [("rst_stream", 1, ErrorCode.FLOW_CONTROL_ERROR)]
    assert refused(
        world,
        ErrorCode.FLOW_CONTROL_ERROR,
        FrameType.WINDOW_UPDATE,
        0,
        0,
        struct.pack(">L", 2**31 - 1),
    )
