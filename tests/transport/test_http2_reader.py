"""Bytes in, frames out: however they are cut, and never a header block in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.transport.http2_frames import (
    END_HEADERS,
    END_STREAM,
    FRAME_BYTES_DEFAULT,
    PADDED,
    PRIORITY,
    ErrorCode,
    FrameType,
    PeerError,
    frame,
)
from perdure.transport.http2_reader import FrameReader

CONVERSATION = (
    frame(FrameType.SETTINGS, 0, 0)
    + frame(FrameType.HEADERS, END_STREAM, 1, b"a")
    + frame(FrameType.CONTINUATION, 0, 1, b"b")
    + frame(FrameType.CONTINUATION, END_HEADERS, 1, b"c")
    + frame(FrameType.DATA, 0, 3, b"x" * 100)
)
FRAMES = [
    (FrameType.SETTINGS, 0, 0, b""),
    (FrameType.HEADERS, END_STREAM, 1, b"abc"),
    (FrameType.DATA, 0, 3, b"x" * 100),
]


@given(cuts=st.lists(st.integers(1, 50)))
def test_frames_are_the_same_however_their_bytes_are_cut(cuts):
    reader, data, found = FrameReader(), CONVERSATION, []
    for size in cuts:
        found += reader.feed(data[:size])
        data = data[size:]
    assert [*found, *reader.feed(data)] == FRAMES


def test_padding_and_priority_are_no_part_of_a_header_block():
    payload = b"\x02" + bytes(5) + b"block" + bytes(2)
    flags = END_HEADERS | PADDED | PRIORITY
    (found,) = FrameReader().feed(frame(FrameType.HEADERS, flags, 1, payload))
    assert found == (FrameType.HEADERS, flags, 1, b"block")


def test_an_end_of_the_block_in_its_last_frame_is_no_flag_of_the_first():
    head = frame(FrameType.HEADERS, 0, 1, b"a")
    (found,) = FrameReader().feed(head + frame(FrameType.CONTINUATION, END_HEADERS, 1, b"b"))
    assert found == (FrameType.HEADERS, 0, 1, b"ab")


@pytest.mark.parametrize(
    ("code", "data"),
    [
        (ErrorCode.PROTOCOL_ERROR, frame(FrameType.CONTINUATION, END_HEADERS, 1, b"x")),
        (ErrorCode.PROTOCOL_ERROR, frame(FrameType.HEADERS, 0, 1) + frame(FrameType.PING, 0, 0)),
        (ErrorCode.PROTOCOL_ERROR, frame(FrameType.HEADERS, 0, 1) * 2),
        (
            ErrorCode.PROTOCOL_ERROR,
            frame(FrameType.HEADERS, 0, 1) + frame(FrameType.CONTINUATION, 0, 3),
        ),
        (ErrorCode.PROTOCOL_ERROR, frame(FrameType.HEADERS, PADDED, 1, b"\x09x")),
        (ErrorCode.FRAME_SIZE_ERROR, frame(FrameType.DATA, 0, 1, bytes(FRAME_BYTES_DEFAULT + 1))),
        (
            ErrorCode.ENHANCE_YOUR_CALM,
            frame(FrameType.HEADERS, 0, 1) + frame(FrameType.CONTINUATION, 0, 1) * 100,
        ),
    ],
)
def test_what_cannot_be_read_ends_the_connection(code, data):
    with pytest.raises(PeerError) as caught:
        list(FrameReader().feed(data))
    assert caught.value.code == code
