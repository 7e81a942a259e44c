"""Clients of HTTP/2 that mean no good: what they may ask for has bounds."""

import struct
from http import HTTPStatus

import pytest
from http2_client import POST, Conversation, refused

from perdure.server.http1_requests import HEADERS_MAX
from perdure.server.http2_budget import BUDGET_MAX, EARNED_BY_SECOND, RESET_COST
from perdure.server.http2_sender import STREAMS_MAX
from perdure.transport.http2_frames import (
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES_DEFAULT,
    ErrorCode,
    FrameType,
    PeerError,
    frame,
)


def test_requests_at_the_same_time_are_bounded(world):
    for number in range(STREAMS_MAX):
        world.open(2 * number + 1)
    assert world.open(2 * STREAMS_MAX + 1) is None
    assert world.told()[-1] == ("rst_stream", 2 * STREAMS_MAX + 1, ErrorCode.REFUSED_STREAM)


@pytest.mark.parametrize("streams_max", [1, 2_000])
def test_how_many_requests_is_a_setting_and_all_may_be_taken_back_at_once(streams_max):
    world = Conversation(streams_max=streams_max)
    for number in range(streams_max):
        world.open(2 * number + 1)
    assert world.open(2 * streams_max + 1) is None
    assert world.told()[-1] == ("rst_stream", 2 * streams_max + 1, ErrorCode.REFUSED_STREAM)
    for number in range(streams_max):
        world.reset(2 * number + 1)


def test_requests_that_are_taken_back_at_once_use_up_the_patience(world):
    most = (BUDGET_MAX - 1) // RESET_COST  # after the SETTINGS
    assert most > STREAMS_MAX, "all requests of a connection can be taken back at once"
    for number in range(most):
        exchange = world.open(2 * number + 1)
        world.reset(2 * number + 1)
        exchange._wire.finished(exchange, HTTPStatus.OK)
    world.open(2 * most + 1)
    code = ErrorCode.ENHANCE_YOUR_CALM
    assert refused(world, code, FrameType.RST_STREAM, 0, 2 * most + 1, bytes(4))


def test_applications_that_are_not_done_yet_count_as_at_work(world):
    world.now = 0.0
    for number in range(STREAMS_MAX):
        world.open(2 * number + 1)
        world.reset(2 * number + 1)
        world.now += 1
    assert world.open(2 * STREAMS_MAX + 1) is None


@pytest.mark.parametrize(
    ("type_", "flags", "payload"),
    [
        (FrameType.PING, 0, bytes(8)),
        (FrameType.SETTINGS, 0, b""),
        (FrameType.PRIORITY, 0, bytes(5)),
        (FrameType.DATA, 0, b""),
        (FrameType.WINDOW_UPDATE, 0, struct.pack(">L", 1)),
        (FrameType.GOAWAY, 0, bytes(8)),
    ],
)
def test_frames_that_bring_nothing_use_up_the_patience(world, type_, flags, payload):
    world.open()
    stream_id = int(type_ in (FrameType.DATA, FrameType.PRIORITY, FrameType.WINDOW_UPDATE))
    flood = frame(type_, flags, stream_id, payload) * (BUDGET_MAX + 1)
    with pytest.raises(PeerError) as caught:
        world.machine.receive(flood)
    assert caught.value.code == ErrorCode.ENHANCE_YOUR_CALM


def test_patience_comes_back_with_time(world):
    for _ in range(10):
        for _ in range(EARNED_BY_SECOND):
            world.hear(FrameType.PING, 0, 0, bytes(8))
        world.now += 1


def test_a_client_that_asks_and_does_not_listen_is_cut_off(world):
    flood = frame(FrameType.PING, 0, 0, bytes(8)) * EARNED_BY_SECOND

    def ask_for_ever():
        while True:
            world.machine.receive(flood)
            world.now += 1

    with pytest.raises(PeerError) as caught:
        ask_for_ever()
    assert caught.value.code == ErrorCode.ENHANCE_YOUR_CALM


def test_a_head_without_end_is_refused(world):
    world.hear(FrameType.HEADERS, 0, 1, b"")
    with pytest.raises(PeerError):
        world.machine.receive(frame(FrameType.CONTINUATION, 0, 1) * 200)


def test_a_head_that_is_too_long_is_refused(world):
    world.open(1, extra=[(b"x", b"y" * 4000)])
    block = world.block([*POST, *[(b"x", b"y" * 4000)] * 200])
    assert len(block) < FRAME_BYTES_DEFAULT
    assert refused(world, ErrorCode.COMPRESSION_ERROR, FrameType.HEADERS, END_HEADERS, 3, block)


def test_a_head_of_too_many_headers_is_refused_however_short(world):
    indexed = b"\x8f"
    for stream_id, more in ((1, HEADERS_MAX - len(POST)), (3, HEADERS_MAX)):
        world.hear(FrameType.HEADERS, 0, stream_id, world.block(POST) + indexed * 10_000)
        rest = FrameType.CONTINUATION, END_HEADERS, stream_id, indexed * (more - 10_000)
        if stream_id == 1:
            world.hear(*rest)
            assert len(world.begun) == 1
    assert refused(world, ErrorCode.ENHANCE_YOUR_CALM, *rest)


def test_settings_are_paid_for_one_by_one(world):
    many = struct.pack(">HL", 4, 1) * (BUDGET_MAX + 1)
    assert refused(world, ErrorCode.ENHANCE_YOUR_CALM, FrameType.SETTINGS, 0, 0, many)


@pytest.mark.parametrize(
    ("code", "args"),
    [
        (ErrorCode.PROTOCOL_ERROR, (FrameType.DATA, 0, 1, b"x")),
        (ErrorCode.PROTOCOL_ERROR, (FrameType.HEADERS, END_HEADERS, 2, b"")),
        (ErrorCode.PROTOCOL_ERROR, (FrameType.HEADERS, END_HEADERS, 0, b"")),
        (ErrorCode.PROTOCOL_ERROR, (FrameType.PUSH_PROMISE, 0, 1, b"")),
        (ErrorCode.PROTOCOL_ERROR, (FrameType.CONTINUATION, 0, 1, b"")),
        (ErrorCode.COMPRESSION_ERROR, (FrameType.HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff")),
        (ErrorCode.FRAME_SIZE_ERROR, (FrameType.PING, 0, 0, b"x")),
        (ErrorCode.FRAME_SIZE_ERROR, (FrameType.PRIORITY, 0, 1, b"x")),
        (ErrorCode.FRAME_SIZE_ERROR, (FrameType.SETTINGS, 0, 0, b"x")),
        (ErrorCode.FRAME_SIZE_ERROR, (FrameType.SETTINGS, 1, 0, bytes(6))),
        (ErrorCode.FRAME_SIZE_ERROR, (FrameType.WINDOW_UPDATE, 0, 0, b"x")),
        (ErrorCode.PROTOCOL_ERROR, (FrameType.WINDOW_UPDATE, 0, 0, bytes(4))),
        (ErrorCode.PROTOCOL_ERROR, (FrameType.SETTINGS, 0, 0, struct.pack(">HL", 2, 2))),
        (ErrorCode.FLOW_CONTROL_ERROR, (FrameType.SETTINGS, 0, 0, struct.pack(">HL", 4, 2**31))),
        (ErrorCode.PROTOCOL_ERROR, (FrameType.SETTINGS, 0, 0, struct.pack(">HL", 5, 1))),
    ],
)
def test_what_breaks_the_rules_ends_the_connection(world, code, args):
    assert refused(world, code, *args)


@pytest.mark.parametrize("stream_id", [1, 3, 5])
def test_a_stream_is_used_once(world, stream_id):
    for stream in (1, 5):
        world.open(stream)
        world.reset(stream)
    assert world.open(stream_id, [(b"x-trailer", b"late")], END_STREAM) is None
    again = world.block(POST)
    assert refused(
        world, ErrorCode.PROTOCOL_ERROR, FrameType.HEADERS, END_HEADERS, stream_id, again
    )


def test_a_frame_that_is_too_large_ends_the_connection(world):
    with pytest.raises(PeerError) as caught:
        world.machine.receive(b"\x00\x40\x01" + bytes(6))
    assert caught.value.code == ErrorCode.FRAME_SIZE_ERROR


def test_a_block_is_not_interrupted(world):
    world.hear(FrameType.HEADERS, 0, 1, b"")
    assert refused(world, ErrorCode.PROTOCOL_ERROR, FrameType.PING, 0, 0, bytes(8))


def test_a_client_begins_with_settings():
    with pytest.raises(PeerError):
        Conversation(frame(FrameType.PING, 0, 0, bytes(8)))


def test_frames_of_unknown_types_are_ignored(world):
    world.machine.receive(b"\x00\x00\x00\x63\x00\x00\x00\x00\x00")
    assert world.told() == []
