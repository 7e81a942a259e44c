"""Base62 text of integers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.protocol import base62

WIDTHS = [(8, base62.WIDTH_64), (16, base62.WIDTH_128)]


def encode(data):
    return (base62.encode_64 if len(data) == 8 else base62.encode_128)(data)


@pytest.mark.parametrize(("size", "width"), WIDTHS)
@given(data=st.data())
def test_bytes_come_back_from_their_text(size, width, data):
    raw = data.draw(st.binary(min_size=size, max_size=size))
    text = encode(raw)
    assert len(text) == width
    assert base62.decode(text, size) == raw


@pytest.mark.parametrize(("size", "width"), WIDTHS)
def test_the_least_and_the_greatest(size, width):
    assert encode(bytes(size)) == "0" * width
    greatest = b"\xff" * size
    assert base62.decode(encode(greatest), size) == greatest


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0"), (9, "9"), (10, "a"), (35, "z"), (36, "A"), (61, "Z"), (62, "10")]
)
def test_digits_go_from_numbers_over_small_to_capital_letters(number, text):
    assert encode(number.to_bytes(8, "little")) == text.rjust(11, "0")
    assert encode(number.to_bytes(16, "little")) == text.rjust(22, "0")


def test_bytes_are_read_from_the_little_end():
    assert encode(b"\x01" + bytes(7)) == "00000000001"


@pytest.mark.parametrize("text", ["-", "é", " ", "0_"])
def test_other_characters_are_refused(text):
    with pytest.raises(ValueError, match="not a base62 digit"):
        base62.decode(text, 8)


@pytest.mark.parametrize(("size", "width"), WIDTHS)
def test_numbers_that_do_not_fit_are_refused(size, width):
    with pytest.raises(ValueError, match=f"larger than {size} bytes"):
        base62.decode("Z" * width, size)
