import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.protocol import wire
from perdure.protocol.framing import (
    FrameDecoder,
    MessageTooLargeError,
    TruncatedStreamError,
    WireError,
    frame,
)
from perdure.protocol.messages import End, Output, Value

frames = st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(max_size=40)))


def test_a_frame_is_a_header_and_its_payload():
    assert frame(0x0411, 0x8000, b"abc") == bytes.fromhex("0411 8000 00000003") + b"abc"


@given(sent=frames, data=st.data())
def test_any_chunking_gives_the_same_frames(sent, data):
    stream = b"".join(frame(*each) for each in sent)
    cuts = data.draw(st.lists(st.integers(0, len(stream))).map(sorted))
    decoder = FrameDecoder()
    received = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += decoder.receive_data(stream[start:end])
    decoder.receive_eof()
    assert received == sent


def test_byte_by_byte():
    decoder = FrameDecoder()
    stream = frame(1, 0, b"x" * 10) + frame(3, 0, b"")
    received = [each for byte in stream for each in decoder.receive_data(bytes([byte]))]
    assert received == [(1, 0, b"x" * 10), (3, 0, b"")]


def test_a_message_in_tiny_pieces_takes_little_more_room_than_itself():
    """A peer that sends two bytes at a time must not take twenty times their room here."""
    size = 256 * 1024
    decoder = FrameDecoder()
    stream = frame(1, 0, bytes(size))
    tracemalloc.start()
    try:
        for start in range(0, len(stream) - 2, 2):
            assert decoder.receive_data(stream[start : start + 2]) == []
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * size
    assert decoder.receive_data(stream[-2:]) == [(1, 0, bytes(size))]


@given(st.lists(st.binary(max_size=64), max_size=20))
def test_garbage_is_frames_or_a_named_error(chunks):
    decoder = FrameDecoder(payload_bytes_limit=32)
    try:
        for chunk in chunks:
            decoder.receive_data(chunk)
        decoder.receive_eof()
    except WireError:
        pass


def test_what_is_too_long_is_refused_by_its_header():
    decoder = FrameDecoder(payload_bytes_limit=10)
    assert decoder.receive_data(frame(1, 0, b"x" * 9)) == [(1, 0, b"x" * 9)]
    with pytest.raises(MessageTooLargeError, match=r"type 0x0400 has 10 bytes, and fewer than 10"):
        decoder.receive_data(frame(0x0400, 0, b"x" * 10)[:8])


@pytest.mark.parametrize("cut", [1, 7, 8, 12])
def test_a_stream_that_ends_within_a_message(cut):
    decoder = FrameDecoder()
    assert decoder.receive_data(frame(1, 0, b"12345")[:cut]) == []
    with pytest.raises(TruncatedStreamError, match=f"{cut} bytes of"):
        decoder.receive_eof()


@pytest.mark.parametrize("cut", [1, 9, 100_000, 2**20])
def test_a_long_payload_is_not_copied_and_means_the_same(cut):
    message = Output(Value(bytes(range(256)) * 4096))
    data = wire.encode(message, 7) + wire.encode(End(), 7)
    decoder = FrameDecoder()
    frames = decoder.receive_data(data[:cut]) + decoder.receive_data(data[cut:])
    decoder.receive_eof()
    assert [type(payload) for _, _, payload in frames] == [memoryview, bytes]
    assert [wire.decode(*each, 7) for each in frames] == [message, End()]
