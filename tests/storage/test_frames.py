"""The bytes of a frame."""

import pytest

from perdure.storage.frames import HEADER, decode, encode, find

MARK = b"mark"


def reader(data):
    return lambda offset, count: data[offset : offset + count]


@pytest.mark.parametrize("records", [[], [b""], [b"one"], [b"one", b"", b"three" * 100]])
def test_a_frame_comes_back(records):
    data = b"before" + bytes(encode(MARK, 1 << 40, records)) + b"behind"
    frame = decode(reader(data), MARK, 6, len(data))
    assert frame is not None
    assert (frame.first_lsn, frame.records) == (1 << 40, records)
    assert frame.next_lsn == (1 << 40) + len(records)
    assert frame.size == len(data) - 12


def test_the_layout_is_the_one_that_is_documented():
    assert encode(MARK, 5, [b"ab", b"c"]) == (
        MARK
        + bytes.fromhex("ea4a4156")
        + (11).to_bytes(4, "little")
        + (2).to_bytes(4, "little")
        + (5).to_bytes(8, "little")
        + (2).to_bytes(4, "little")
        + (1).to_bytes(4, "little")
        + b"abc"
    )


def test_neither_zeros_nor_the_end_nor_a_cut_frame_is_a_frame():
    data = bytes(encode(MARK, 1, [b"one"]))
    for content in (b"", bytes(100), data[:10], data[:-1], data[: HEADER.size]):
        assert decode(reader(content), MARK, 0, len(content)) is None
    assert decode(reader(data), b"kram", 0, len(data)) is None


def test_a_damaged_size_asks_for_no_more_than_there_is():
    data = bytearray(encode(MARK, 1, [b"one"]))
    data[8:12] = b"\xff" * 4
    asked = []

    def read(offset, count):
        asked.append(count)
        return bytes(data[offset : offset + count])

    assert decode(read, MARK, 0, len(data)) is None
    assert asked == [HEADER.size]


def test_a_frame_is_found_behind_rubbish_and_false_marks():
    frame = bytes(encode(MARK, 1, [b"one"]))
    data = b"x" * 7 + MARK + b"mamar" + frame[:-1] + frame
    assert find(reader(data), MARK, 0, len(data)) == len(data) - len(frame)
    assert find(reader(data), MARK, len(data) - len(frame) + 1, len(data)) is None
