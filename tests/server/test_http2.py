"""The server's half of HTTP/2: frames in, requests, and frames out."""

import asyncio
from http import HTTPStatus

import pytest
from asgi_applications import respond
from http2_client import ENDED, GET, POST, SETTINGS, Conversation
from hypothesis import given, settings
from hypothesis import strategies as st
from open_servers import play

from perdure.server.heads import ResponseError
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
    play(respond(exchange.send, b"abc", headers=[(b"x", b"y"), (b"connection", b"close")]))
    fields = {b":status": b"200", b"date": b"today", b"x": b"y", b"content-length": b"3"}
    assert world.told() == [("head", 1, fields), ("end", 1, b"abc")]
    assert world.machine.idle


@pytest.mark.parametrize("kind", [list, tuple])
def test_headers_that_come_again_are_sent_each_time(world, kind):
    headers = kind([(b"X-A", b"b"), (b"content-length", b"2")])
    fields = {b":status": b"200", b"date": b"today", b"x-a": b"b", b"content-length": b"2"}
    for stream_id in (1, 3, 5):
        exchange = world.open(stream_id, fields=GET, flags=ENDED)
        exchange.start(200, headers)
        exchange.proceed(b"ok", more=False)
        assert world.told() == [("head", stream_id, fields), ("end", stream_id, b"ok")]
    for stream_id in (7, 9):
        exchange = world.open(stream_id, fields=GET, flags=ENDED)
        exchange.start(200, kind([(b"x", b"a\nb")]))
        with pytest.raises(ResponseError):
            exchange.proceed(b"ok", more=False)


def test_many_short_responses_arrive_whole_whoever_reads_late(world):
    """They are framed at once, but not without end: a client that asks and does not read waits."""
    world.widen(0, 1_000_000)
    bodies = {stream_id: b"%d" % stream_id * 1000 for stream_id in range(1, 200, 2)}
    for stream_id, body in bodies.items():
        play(respond(world.open(stream_id, fields=GET, flags=ENDED).send, body))
    assert world.machine.sender.backlog < 128 * 1024
    ended = {each[1]: each[2] for each in world.told() if each[0] == "end"}
    assert ended == bodies
    assert world.machine.idle


def test_a_response_without_a_body_is_one_frame(world):
    exchange = world.open(fields=GET, flags=ENDED)
    play(respond(exchange.send, b"", status=204))
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
    play(respond(exchange.send, b"no"))
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
    play(respond(exchange.send, b"", headers=[(b"x", b"\xff" * 40_000)]))
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


def test_settings_are_acknowledged():
    world = Conversation()
    world.machine.receive(SETTINGS)
    assert world.told() == [("settings", 0, b"")]


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


# -- Clients that go away


def test_a_request_that_is_taken_back_is_told_to_the_application(world):
    exchange = world.open()
    gone = []
    exchange.watch_disconnect(lambda: gone.append(True))
    world.reset(1)
    assert gone == [True]
    assert play(exchange.receive()) == {"type": "http.disconnect"}
    with pytest.raises(ConnectionResetError):
        play(respond(exchange.send, b"too late"))


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
    play(respond(world.open(fields=GET, flags=ENDED).send, b"x"))
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
    play(respond(exchange.send, b"bye"))
    assert [each[0] for each in world.told()] == ["head", "end"]
    assert world.machine.idle
    assert world.machine.farewell() == goaway_frame(ErrorCode.NO_ERROR, 1)


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
