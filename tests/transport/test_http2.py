"""HTTP/2 as a machine: what a good peer gets, and what a bad one."""

from __future__ import annotations

import struct

import pytest
from http2_peer import SETTINGS, Conversation
from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.transport.exchanges import LostError
from perdure.transport.http2 import BACKLOG_BYTES_MAX
from perdure.transport.http2_frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES_DEFAULT,
    WINDOW_DEFAULT,
    ErrorCode,
    FrameType,
    PeerError,
    Setting,
    frame,
    settings_frame,
)
from perdure.transport.http2_limits import Http2Limits

LIMITS = Http2Limits()


def test_a_request_and_its_response():
    peer = Conversation()
    exchange, listener = peer.open(b"ask")
    head, body = peer.said()
    assert head[:3] == (FrameType.HEADERS, END_HEADERS, 1)
    assert body == (FrameType.DATA, 0, 1, b"ask")
    peer.head(1)
    peer.hear(FrameType.DATA, 0, 1, b"answer")
    exchange.end()
    assert peer.said() == [(FrameType.DATA, END_STREAM, 1, b"")]
    peer.hear(FrameType.DATA, END_STREAM, 1)
    assert listener.heard == [200, b"answer", "end"]
    assert peer.machine.sender.streams == 0


def test_a_request_without_body_is_one_frame():
    peer = Conversation()
    peer.open(ended=True)
    ((type_, flags, _, _),) = peer.said()
    assert (type_, flags) == (FrameType.HEADERS, END_HEADERS | END_STREAM)


def test_a_response_that_comes_early_ends_the_stream():
    peer = Conversation()
    _, listener = peer.open(b"ask")
    peer.said()
    peer.head(1, 404, END_STREAM)
    assert listener.heard == [404, "end"]
    assert peer.said() == [(FrameType.RST_STREAM, 0, 1, struct.pack(">L", ErrorCode.NO_ERROR))]


def test_a_body_waits_for_the_windows_of_stream_and_connection():
    peer = Conversation(settings_frame({Setting.INITIAL_WINDOW_SIZE: 10}))
    peer.open(b"x" * 100_000)
    assert peer.bodies() == {1: 10}
    peer.widen(1, 99_990)
    assert peer.bodies() == {1: 65_525}
    peer.widen(0, 100_000)
    assert peer.bodies() == {1: 34_465}


def test_a_body_that_ends_while_it_waits_ends_with_its_last_piece():
    talk = Conversation()
    exchange, _ = talk.open(bytes(WINDOW_DEFAULT + 10))
    assert sum(talk.bodies().values()) == WINDOW_DEFAULT
    exchange.end()
    assert talk.said() == []
    talk.widen(0, 10)
    assert talk.said() == []
    talk.widen(1, 10)
    said = talk.said()
    assert sum(len(payload) for _, _, _, payload in said) == 10
    assert [flags for _, flags, _, _ in said] == [0] * (len(said) - 1) + [END_STREAM]


def test_a_body_that_ends_before_it_is_framed_ends_with_its_last_piece():
    talk = Conversation()
    exchange, _ = talk.open()
    talk.said()
    exchange.send(b"body")
    exchange.end()
    assert talk.said() == [(FrameType.DATA, END_STREAM, 1, b"body")]


def test_a_body_that_ends_when_all_of_it_was_framed_ends_with_a_frame_of_its_own():
    talk = Conversation()
    exchange, _ = talk.open(b"body")
    talk.said()
    exchange.end()
    assert talk.said() == [(FrameType.DATA, END_STREAM, 1, b"")]


def test_a_large_body_leaves_room_for_others():
    peer = Conversation(settings_frame({Setting.INITIAL_WINDOW_SIZE: 2**20}))
    peer.open(b"x" * 10**6)
    peer.open(b"y" * 10)
    sizes = peer.bodies()
    assert sizes[3] == 10
    assert sizes[1] + sizes[3] == 65_535


def test_shrinking_windows_hold_bodies_up():
    peer = Conversation()
    peer.open(b"x" * 100_000)
    assert peer.bodies() == {1: 65_535}
    peer.machine.receive(settings_frame({Setting.INITIAL_WINDOW_SIZE: 0}))
    peer.widen(0, 100_000)
    peer.widen(1, 65_534)
    assert peer.bodies() == {}
    peer.widen(1, 2)
    assert peer.bodies() == {1: 1}


def test_what_was_read_opens_the_windows_again():
    peer = Conversation()
    peer.open()
    peer.said()
    peer.head(1)
    for _ in range(LIMITS.stream_window // 2 // 16384):
        peer.hear(FrameType.DATA, 0, 1, bytes(16384))
    assert peer.said() == [
        (FrameType.WINDOW_UPDATE, 0, 1, struct.pack(">L", LIMITS.stream_window // 2))
    ]


def test_a_listener_that_gives_up_on_a_long_piece_opens_no_window_for_more():
    talk = Conversation()
    exchange, listener = talk.open(ended=True)
    talk.head(1)
    talk.said()
    pieces = LIMITS.stream_window // 2 // FRAME_BYTES_DEFAULT
    for _ in range(pieces - 1):
        talk.hear(FrameType.DATA, 0, 1, bytes(FRAME_BYTES_DEFAULT))
    listener.data = lambda _data: exchange.cancel()
    talk.hear(FrameType.DATA, 0, 1, bytes(FRAME_BYTES_DEFAULT))
    said = [(type_, stream_id) for type_, _, stream_id, _ in talk.said()]
    assert said == [(FrameType.RST_STREAM, 1)]


@pytest.mark.parametrize("type_", [FrameType.PING, FrameType.WINDOW_UPDATE, 0x40])
def test_a_peer_that_does_not_begin_with_its_settings_is_left(type_):
    machine = Conversation().machine
    machine.greeted = False
    payload = bytes(7) + b"\x01" if type_ is FrameType.PING else b"\x00\x00\x00\x01"
    with pytest.raises(PeerError, match="does not begin with SETTINGS") as raised:
        machine.receive(frame(type_, 0, 0, payload))
    assert raised.value.code == ErrorCode.PROTOCOL_ERROR


def test_streams_are_bounded_by_what_the_peer_takes():
    peer = Conversation(settings_frame({Setting.MAX_CONCURRENT_STREAMS: 1}))
    exchange, _ = peer.open()
    assert not peer.machine.sender.has_room
    exchange.cancel()
    assert peer.machine.sender.has_room
    assert peer.said()[-1][0] is FrameType.RST_STREAM


def test_a_peer_that_leaves_finishes_what_it_has_begun():
    peer = Conversation()
    _, first = peer.open()
    second, heard = peer.open()
    peer.hear(FrameType.GOAWAY, 0, 0, struct.pack(">LL", 1, 0))
    assert [exchange for exchange, _ in peer.refused_exchanges] == [second]
    assert heard.heard == []
    assert not peer.machine.sender.has_room
    peer.head(1, flags=END_STREAM)
    assert first.heard == [200, "end"]


def test_a_refused_stream_may_be_tried_elsewhere():
    peer = Conversation()
    exchange, listener = peer.open(b"ask")
    peer.said()
    peer.hear(FrameType.RST_STREAM, 0, 1, struct.pack(">L", ErrorCode.REFUSED_STREAM))
    assert listener.heard == []
    assert exchange.rewind()
    peer.machine.sender.open(exchange)
    assert peer.said()[-1] == (FrameType.DATA, 0, 3, b"ask")


def test_a_reset_costs_one_exchange():
    peer = Conversation()
    _, broken = peer.open()
    _, whole = peer.open()
    peer.hear(FrameType.RST_STREAM, 0, 1, struct.pack(">L", ErrorCode.INTERNAL_ERROR))
    (error,) = broken.heard
    assert isinstance(error, LostError)
    assert "INTERNAL_ERROR" in str(error)
    peer.head(3)
    assert whole.heard == [200]


@pytest.mark.parametrize(
    "break_rules",
    [
        lambda peer: peer.hear(FrameType.DATA, 0, 1, b"before the head"),
        lambda peer: (peer.head(1), peer.head(1)),
        lambda peer: peer.hear(FrameType.HEADERS, END_HEADERS, 1, b"\x00\x01A\x01b"),
        lambda peer: peer.widen(1, 0),
        lambda peer: peer.widen(1, 2**31 - 1),
        lambda peer: peer.head(1, 100, END_STREAM),
    ],
)
def test_a_broken_rule_on_a_stream_costs_that_stream(break_rules):
    peer = Conversation()
    _, broken = peer.open()
    _, whole = peer.open()
    break_rules(peer)
    assert isinstance(broken.heard[-1], LostError)
    peer.head(3)
    assert whole.heard == [200]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(FrameType.DATA, 0, 0), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.DATA, 0, 7), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.HEADERS, END_HEADERS, 2), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.HEADERS, END_HEADERS, 1, b"\x40"), ErrorCode.COMPRESSION_ERROR),
        (frame(FrameType.HEADERS, 0, 1) + SETTINGS, ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.HEADERS, 0, 1, bytes(16384)) * 2, ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.CONTINUATION, 0, 1), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.PING, 0, 0, b"short"), ErrorCode.FRAME_SIZE_ERROR),
        (frame(FrameType.PING, 0, 1, bytes(8)), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.SETTINGS, 0, 1), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.GOAWAY, 0, 1, bytes(8)), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.RST_STREAM, 0, 0, bytes(4)), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.PRIORITY, 0, 0, bytes(5)), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.SETTINGS, 0, 0, b"short"), ErrorCode.FRAME_SIZE_ERROR),
        (frame(FrameType.SETTINGS, ACK, 0, bytes(6)), ErrorCode.FRAME_SIZE_ERROR),
        (settings_frame({Setting.ENABLE_PUSH: 1}), ErrorCode.PROTOCOL_ERROR),
        (settings_frame({Setting.MAX_FRAME_SIZE: 1}), ErrorCode.PROTOCOL_ERROR),
        (settings_frame({Setting.INITIAL_WINDOW_SIZE: 2**31}), ErrorCode.FLOW_CONTROL_ERROR),
        (frame(FrameType.WINDOW_UPDATE, 0, 0, bytes(4)), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), ErrorCode.FLOW_CONTROL_ERROR),
        (frame(FrameType.PUSH_PROMISE, 0, 1, bytes(4)), ErrorCode.PROTOCOL_ERROR),
        (frame(FrameType.RST_STREAM, 0, 1, b"short"), ErrorCode.FRAME_SIZE_ERROR),
        (frame(FrameType.GOAWAY, 0, 0, b"short"), ErrorCode.FRAME_SIZE_ERROR),
        (frame(FrameType.DATA, 0x8, 1, b"\x09abc"), ErrorCode.PROTOCOL_ERROR),
        (b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", ErrorCode.FRAME_SIZE_ERROR),
    ],
)
def test_a_broken_rule_of_the_connection_ends_it(data, code):
    peer = Conversation()
    peer.open()
    with pytest.raises(PeerError) as broken:
        peer.machine.receive(data)
    assert broken.value.code is code


@pytest.mark.parametrize(
    "empty",
    [
        frame(FrameType.PING, 0, 0, bytes(8)),
        SETTINGS,
        frame(FrameType.DATA, 0, 1),
        frame(FrameType.PRIORITY, 0, 1, bytes(5)),
        frame(FrameType.WINDOW_UPDATE, 0, 1, b"\x00\x00\x00\x01"),
    ],
)
def test_a_flood_of_frames_that_bring_nothing_ends_the_connection(empty):
    peer = Conversation()
    peer.open()
    peer.head(1)
    with pytest.raises(PeerError) as broken:
        peer.machine.receive(empty * 2000)
    assert broken.value.code is ErrorCode.ENHANCE_YOUR_CALM


def test_a_peer_that_asks_and_does_not_listen_is_left():
    """Each piece of a body makes up for some pings; their answers must not pile up."""
    peer = Conversation()
    peer.open(b"ask")
    peer.said()
    peer.head(1)
    asked = frame(FrameType.DATA, 0, 1, b"x") + frame(FrameType.PING, 0, 0, bytes(8)) * 10
    with pytest.raises(PeerError) as broken:
        peer.machine.receive(asked * 100_000)
    assert broken.value.code is ErrorCode.ENHANCE_YOUR_CALM
    assert peer.machine.sender.backlog < 2 * BACKLOG_BYTES_MAX


def test_a_header_block_without_end_ends_the_connection():
    peer = Conversation()
    peer.open()
    with pytest.raises(PeerError) as broken:
        peer.machine.receive(
            frame(FrameType.HEADERS, 0, 1) + frame(FrameType.CONTINUATION, 0, 1) * 100
        )
    assert broken.value.code is ErrorCode.ENHANCE_YOUR_CALM


def test_more_data_than_the_window_of_the_connection_ends_it():
    peer = Conversation()
    for _ in range(4):
        exchange, _ = peer.open()
        exchange.cancel()
    peer.machine._unread = LIMITS.connection_window
    with pytest.raises(PeerError) as broken:
        peer.hear(FrameType.DATA, 0, 1, b"x")
    assert broken.value.code is ErrorCode.FLOW_CONTROL_ERROR


def test_a_peer_that_speaks_something_else_is_found_out():
    peer = Conversation()
    with pytest.raises(PeerError):
        peer.machine.receive(b"HTTP/1.1 400 Bad Request\r\n\r\n")


FRAMES = st.builds(
    frame,
    st.sampled_from(FrameType),
    st.integers(0, 255),
    st.sampled_from([0, 1, 2, 3, 5, 7]),
    st.binary(max_size=40),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(FRAMES, st.binary(max_size=40)), max_size=12), st.integers(1, 50))
def test_whatever_a_peer_sends_the_worst_is_an_error_of_its_own(pieces, cut):
    peer = Conversation()
    listeners = [peer.open(b"body")[1] for _ in range(3)]
    data = b"".join(pieces)
    try:
        for start in range(0, len(data), cut):
            peer.machine.receive(data[start : start + cut])
            peer.said()
    except PeerError:
        pass
    for listener in listeners:
        last = [each for each in listener.heard if each == "end" or isinstance(each, LostError)]
        assert last in ([], listener.heard[-1:])
