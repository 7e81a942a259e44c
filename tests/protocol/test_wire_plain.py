"""What is written and read without the protobuf library is what the library writes and reads."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from perdure.protocol.messages import Failure, Input, Output, Value
from perdure.protocol.schema import CLASSES
from perdure.protocol.wire_messages import TABLE
from perdure.protocol.wire_plain import read_input, read_output, write_input, write_output

CONTENTS = st.binary(max_size=5) | st.integers(120, 135).map(bytes) | st.sampled_from([b"v" * 5000])
TEXTS = st.text(max_size=4) | st.sampled_from(["content-type", "h" * 40, "v" * 200])
HEADERS = st.lists(st.tuples(TEXTS, TEXTS), max_size=4).map(tuple)
NAMES = st.sampled_from(["", "name"])
INPUTS = st.builds(Input, CONTENTS.map(Value), HEADERS, NAMES)
OUTPUTS = st.builds(Output, CONTENTS.map(Value) | st.just(Failure(500, "broken")), NAMES)


def written(message: Input | Output) -> bytes:
    """Write a message by the library."""
    write, _ = TABLE[type(message)]
    fields = write(message, 7)
    return CLASSES[type(message).__name__](**fields).SerializeToString()


def read(kind: type[Input | Output], payload: bytes) -> Input | Output | None:
    """Read a message by the library; None if that cannot be done."""
    _, reader = TABLE[kind]
    try:
        return reader(CLASSES[kind.__name__].FromString(payload), 7)
    except DecodeError:
        return None


@given(INPUTS)
def test_inputs_are_what_the_library_makes_of_them(message):
    payload = written(message)
    assert write_input(message) in (None, payload)
    assert read_input(payload) in (None, message)


@given(OUTPUTS)
def test_outputs_are_what_the_library_makes_of_them(message):
    payload = written(message)
    assert write_output(message) in (None, payload)
    assert read_output(payload) in (None, message)


@pytest.mark.parametrize("size", [0, 1, 2, 125, 128, 300, 4000])
def test_the_usual_messages_need_no_library(size):
    value = Value(b"v" * size)
    headers = (("content-type", "application/json"), ("host", "127.0.0.1"))
    for _ in range(2):
        assert read_input(write_input(Input(value, headers))) == Input(value, headers)
    assert read_output(write_output(Output(value))) == Output(value)


#: Bytes that are almost messages: fields of messages, put together and cut at will.
PIECES = st.lists(
    st.sampled_from([b"\x0a", b"\x72", b"\x62", b"\x12", b"\x00", b"\x01", b"\x02", b"\x80", b"k"])
    | INPUTS.map(written)
    | OUTPUTS.map(written)
    | st.binary(max_size=3),
    max_size=6,
).map(b"".join)


@given(PIECES, st.integers(0, 40))
def test_whatever_is_read_is_what_the_library_reads(payload, cut):
    payload = payload[: len(payload) - cut]
    as_input, as_output = read_input(payload), read_output(payload)
    assert as_input is None or as_input == read(Input, payload)
    assert as_output is None or as_output == read(Output, payload)
