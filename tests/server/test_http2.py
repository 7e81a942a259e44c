"""The server's half of HTTP/2: frames in, requests, and frames out."""

import asyncio
import struct
from http import HTTPStatus

import pytest
from http2_client import ENDED, GET, POST, SETTINGS, Conversation, respond
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.server.http2_budget import BUDGET_MAX, EARNED_BY_SECOND, RESET_COST
from perdure.server.http2_sender import CONNECTION_WINDOW, STREAM_WINDOW, STREAMS_MAX
from perdure.transport.http2_frames import (
    END_HEADERS,
    FRAME_BYTES_DEFAULT,
    ErrorCode,
    FrameType,
    PeerError,
    Setting,
    frame,
    goaway_frame,
    settings_frame,
)


@pytest.fixture
def world():
    return Conversation()


def play(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 5))


def refused(world, code, *args):
    """Tell whether the connection ends when this is heard."""
    with pytest.raises(PeerError) as caught:
        world.hear(*args)
    return caught.value.code == code


# -- Requests and responses


def test_a_request_has_a_head_and_a_body(world):
    exchange = world.open(extra=[(b"content-length", b"5"), (b"x", b"y")])
    world.send(1, b"hel")
    world.send(1, b"lo", ENDED)
    head = exchange._head
    assert (head.method, head.path, head.query, head.version) == ("POST", "/a", b"b=c", "2")
    assert head.headers == [(b"host", b"host"), (b"content-length", b"5"), (b"x", b"y")]
    message = play(exchange.receive())
    assert (message["body"], message["more_body"]) == (b"hello", False)


def test_a_response_in_one_piece_has_a_length(world):
    exchange = world.open(fields=GET, flags=ENDED)
    play(respond(exchange, b"abc", headers=[(b"x", b"y"), (b"connection", b"close")]))
    fields = {b":status": b"200", b"date": b"today", b"x": b"y", b"content-length": b"3"}
    assert world.told() == [("head", 1, fields), ("end", 1, b"abc")]
    assert world.machine.idle


def test_a_response_without_a_body_is_one_frame(world):
    exchange = world.open(fields=GET, flags=ENDED)
    play(respond(exchange, b"", status=204))
    ((type_, flags, stream_id, _),) = world.said()
    assert (type_, stream_id, flags & ENDED) == (FrameType.HEADERS, 1, ENDED)


def test_cookies_come_in_one_piece(world):
    cookies = [(b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2")]
    exchange = world.open(extra=cookies)
    assert exchange._head.headers[1:] == [(b"x", b"y"), (b"cookie", b"a=1; b=2")]


def test_a_client_that_waits_to_send_is_told_to(world):
    exchange = world.open(extra=[(b"expect", b"100-continue")])

    async def scenario():
        receiving = asyncio.ensure_future(exchange.receive())
        await asyncio.sleep(0)
        told = world.told()
        world.send(1, b"x", ENDED)
        return told, await receiving

    told, message = play(scenario())
    assert told == [("head", 1, {b":status": b"100"})]
    assert message["body"] == b"x"


def test_an_answer_before_the_end_of_the_request_ends_the_stream(world):
    exchange = world.open()
    play(respond(exchange, b"no"))
    assert [each[0] for each in world.told()] == ["head", "end", "rst_stream"]
    world.send(1, b"late")
    assert world.machine.idle


def test_trailers_end_a_request(world):
    exchange = world.open()
    world.open(1, fields=[(b"x-checksum", b"1")], flags=ENDED)
    assert exchange.received


def test_a_head_may_come_in_many_frames(world):
    block = world.block([*POST, (b"x", b"y" * 40_000)])
    cut = [block[at : at + 10_000] for at in range(0, len(block), 10_000)]
    world.hear(FrameType.HEADERS, 0, 1, cut[0])
    for piece in cut[1:-1]:
        world.hear(FrameType.CONTINUATION, 0, 1, piece)
    world.hear(FrameType.CONTINUATION, END_HEADERS, 1, cut[-1])
    assert dict(world.begun[0]._head.headers)[b"x"] == b"y" * 40_000


def test_a_long_head_of_a_response_comes_in_many_frames(world):
    exchange = world.open(fields=GET, flags=ENDED)
    play(respond(exchange, b"", headers=[(b"x", b"\xff" * 40_000)]))
    types = [type_ for type_, _, _, payload in world.said() if len(payload) <= FRAME_BYTES_DEFAULT]
    assert types[0] is FrameType.HEADERS
    assert set(types[1:]) == {FrameType.CONTINUATION}


def test_what_an_application_cannot_answer_is_excused(world):
    exchange = world.open(fields=GET, flags=ENDED)
    exchange._wire.finished(exchange, HTTPStatus.SERVICE_UNAVAILABLE)
    (head, end) = world.told()
    assert head[2][b":status"] == b"503"
    assert b"stopping" in end[2]
    assert world.done == [exchange]


def test_half_a_response_is_not_taken_for_a_whole(world):
    exchange = world.open(fields=GET, flags=ENDED)

    async def half():
        await exchange.send({"type": "http.response.start", "status": 200})
        await exchange.send({"type": "http.response.body", "body": b"half", "more_body": True})

    play(half())
    exchange._wire.finished(exchange, HTTPStatus.INTERNAL_SERVER_ERROR)
    reset = [each for each in world.told() if each[0] == "rst_stream"]
    assert reset == [("rst_stream", 1, ErrorCode.INTERNAL_ERROR)]


# -- Malformed requests end their stream, not the connection


@pytest.mark.parametrize(
    "fields",
    [
        GET[1:],
        [*GET, (b":path", b"/again")],
        [(b"x", b"y"), *GET],
        [*GET, (b":status", b"200")],
        [*GET, (b"Upper", b"case")],
        [*GET, (b"connection", b"close")],
        [*GET, (b"te", b"gzip")],
        [*GET, (b"x", b"a\r\nb: c")],
        [*GET, (b"x", b" padded")],
        [*GET, (b"content-length", b"1"), (b"content-length", b"2")],
        [*GET, (b"content-length", b"-1")],
        [*GET, (b"content-length", b"1")],
        [*GET[:3], (b":path", b"")],
        [*GET[:3], (b":path", b"no/path")],
        [(b":method", b"A B"), *GET[1:]],
    ],
)
def test_a_malformed_request_is_refused(world, fields):
    assert world.open(fields=fields, flags=ENDED) is None
    assert world.told() == [("rst_stream", 1, ErrorCode.PROTOCOL_ERROR)]
    assert world.open(3) is not None


@pytest.mark.parametrize(("content", "flags"), [(b"toolong", 0), (b"no", ENDED)])
def test_a_body_has_the_length_it_declares(world, content, flags):
    world.open(extra=[(b"content-length", b"3")])
    world.send(1, content, flags)
    assert world.told() == [("rst_stream", 1, ErrorCode.PROTOCOL_ERROR)]


def test_nothing_follows_the_end_of_a_request(world):
    world.open(flags=ENDED)
    world.send(1, b"more")
    assert world.told() == [("rst_stream", 1, ErrorCode.STREAM_CLOSED)]


# -- Windows


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
    play(respond(exchange, b"x" * 15))
    assert world.told()[1:] == [("data", 1, b"x" * 10)]
    world.widen(1, 3)
    assert world.told() == [("data", 1, b"xxx")]
    world.hear(FrameType.SETTINGS, 0, 0, struct.pack(">HL", Setting.INITIAL_WINDOW_SIZE, 50))
    assert world.told()[-1] == ("end", 1, b"xx")


def test_the_connections_window_is_shared(world):
    bodies = {1: b"a" * 50_000, 3: b"b" * 50_000}
    for stream_id, body in bodies.items():
        play(respond(world.open(stream_id, fields=GET, flags=ENDED), body))
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


# -- Clients that go away


def test_a_request_that_is_taken_back_is_told_to_the_application(world):
    exchange = world.open()
    gone = []
    exchange.watch_disconnect(lambda: gone.append(True))
    world.reset(1)
    assert gone == [True]
    assert play(exchange.receive()) == {"type": "http.disconnect"}
    with pytest.raises(ConnectionResetError):
        play(respond(exchange, b"too late"))


def test_a_lost_connection_is_told_to_all_applications(world):
    gone = []
    for stream_id in (1, 3):
        world.open(stream_id).watch_disconnect(lambda stream_id=stream_id: gone.append(stream_id))
    world.machine.abandon()
    assert gone == [1, 3]


def test_a_request_that_never_ends_is_given_up_after_a_while(world):
    exchange = world.open()
    at_work = world.open(3, flags=ENDED)

    async def scenario():
        receiving = asyncio.ensure_future(exchange.receive())
        await asyncio.sleep(0)
        world.machine.expire(before=1)
        return await receiving

    assert play(scenario()) == {"type": "http.disconnect"}
    assert world.told() == [("rst_stream", 1, ErrorCode.CANCEL)]
    assert not at_work._gone


def test_a_response_that_nobody_takes_is_given_up_after_a_while():
    world = Conversation(settings_frame({Setting.INITIAL_WINDOW_SIZE: 0}))
    play(respond(world.open(fields=GET, flags=ENDED), b"x"))
    world.said()
    world.machine.expire(before=1)
    assert world.told() == [("rst_stream", 1, ErrorCode.CANCEL)]


# -- The end


def test_a_server_that_leaves_refuses_new_requests_and_answers_old_ones(world):
    exchange = world.open(flags=ENDED)
    world.machine.leave()
    assert world.open(3) is None
    assert world.told() == [("rst_stream", 3, ErrorCode.REFUSED_STREAM)]
    world.send(3, b"x", ENDED)
    play(respond(exchange, b"bye"))
    assert [each[0] for each in world.told()] == ["head", "end"]
    assert world.machine.idle
    assert world.machine.farewell() == goaway_frame(ErrorCode.NO_ERROR, 1)


# -- Clients that mean no good


def test_requests_at_the_same_time_are_bounded(world):
    for number in range(STREAMS_MAX):
        world.open(2 * number + 1)
    assert world.open(2 * STREAMS_MAX + 1) is None
    assert world.told()[-1] == ("rst_stream", 2 * STREAMS_MAX + 1, ErrorCode.REFUSED_STREAM)


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


# -- Laws


@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.integers(1, 40), max_size=12))
def test_bytes_mean_the_same_however_they_are_cut(cuts):
    world, whole = Conversation(), Conversation()
    block = whole.block([*POST, (b"content-length", b"6")])
    data = (
        frame(FrameType.HEADERS, END_HEADERS, 1, block)
        + frame(FrameType.DATA, 0, 1, b"abc")
        + frame(FrameType.PING, 0, 0, bytes(8))
        + frame(FrameType.DATA, ENDED, 1, b"def")
    )
    whole.machine.receive(data)
    for size in cuts:
        world.machine.receive(data[:size])
        data = data[size:]
    world.machine.receive(data)
    (ours,), (theirs,) = world.begun, whole.begun
    assert (ours._head, ours._chunks, ours.received) == (theirs._head, theirs._chunks, True)
    assert world.told() == whole.told()


@settings(max_examples=200, deadline=None)
@given(
    noise=st.lists(
        st.builds(
            frame,
            st.integers(0, 11),
            st.integers(0, 255),
            st.integers(0, 5),
            st.binary(max_size=40),
        ),
        max_size=20,
    )
)
def test_noise_is_served_or_refused_and_nothing_else(noise):
    world = Conversation()
    try:
        for each in noise:
            world.machine.receive(each)
    except PeerError:
        world.machine.abandon()
    world.said()


def test_settings_are_acknowledged():
    world = Conversation()
    world.machine.receive(SETTINGS)
    assert world.told() == [("settings", 0, b"")]
