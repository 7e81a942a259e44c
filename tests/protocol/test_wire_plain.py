"""What is written and read without the protobuf library is what the library writes and reads."""

from __future__ import annotations

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from perdure.protocol import wire_plain
from perdure.protocol.ids import InvocationId, invocation_text
from perdure.protocol.messages import (
    VOID,
    Completion,
    CompletionKind,
    Failure,
    Input,
    Message,
    Output,
    Sleep,
    Start,
    Value,
)
from perdure.protocol.schema import CLASSES
from perdure.protocol.wire import UnencodableMessageError, decode, encode
from perdure.protocol.wire_messages import TABLE, write_completion
from perdure.protocol.wire_plain import (
    read_input,
    read_output,
    varint,
    write_input,
    write_output,
    write_sleep,
    write_start,
    write_void_completion,
)

CONTENTS = st.binary(max_size=5) | st.integers(120, 135).map(bytes) | st.sampled_from([b"v" * 5000])
TEXTS = st.text(max_size=4) | st.sampled_from(["content-type", "h" * 40, "v" * 200])
HEADERS = st.lists(st.tuples(TEXTS, TEXTS), max_size=4).map(tuple)
NAMES = st.sampled_from(["", "name"])
INPUTS = st.builds(Input, CONTENTS.map(Value), HEADERS, NAMES)
OUTPUTS = st.builds(Output, CONTENTS.map(Value) | st.just(Failure(500, "broken")), NAMES)


#: Numbers as they are, at the ends of what a byte, two bytes, 32 and 64 bits hold, and beyond.
EDGES = [0, 1, 127, 128, 16383, 16384, 2**21, 2**28 - 1, 2**32 - 1, 2**32, 2**64 - 1]
NUMBERS = st.sampled_from(EDGES) | st.integers(0, 2**64 - 1)
SMALL_NUMBERS = st.sampled_from([0, 1, 127, 128, 16384, 2**32 - 1])
IDS = st.binary(min_size=24, max_size=24).map(InvocationId)
STARTS = st.builds(
    lambda identity, *fields: Start(identity, invocation_text(identity), *fields),
    IDS,
    SMALL_NUMBERS,
    st.sampled_from([(), ((b"k", b"v"),)]),
    st.booleans(),
    st.sampled_from(["", "key", "schlüssel", "k" * 300]),
    st.sampled_from([0, 0, 1]),
    NUMBERS,
    st.none() | NUMBERS,
    *[st.sampled_from([None, None, None, "", "text"])] * 3,
)
SLEEPS = st.builds(Sleep, NUMBERS, SMALL_NUMBERS, NAMES)


def written(message: Message, version: int = 7) -> bytes:
    """Write a message by the library."""
    write, _ = TABLE[type(message)]
    fields = write(message, version)
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
    assert write_input(message, 7) in (None, payload)
    assert read_input(payload) in (None, message)


@given(OUTPUTS)
def test_outputs_are_what_the_library_makes_of_them(message):
    payload = written(message)
    assert write_output(message, 7) in (None, payload)
    assert read_output(payload) in (None, message)


@pytest.mark.parametrize("size", [0, 1, 2, 125, 128, 300, 4000])
def test_the_usual_messages_need_no_library(size):
    value = Value(b"v" * size)
    headers = (("content-type", "application/json"), ("host", "127.0.0.1"))
    for _ in range(2):
        assert read_input(write_input(Input(value, headers), 7)) == Input(value, headers)
    assert read_output(write_output(Output(value), 7)) == Output(value)


@given(NUMBERS)
def test_numbers_are_what_the_library_makes_of_them(number):
    written_by_library = CLASSES["Sleep"](wake_up_time=number).SerializeToString()
    assert varint(number) == (written_by_library[1:] or b"\x00")


@given(STARTS, st.integers(5, 7))
def test_starts_are_what_the_library_makes_of_them(message, version):
    assert write_start(message, version) in (None, written(message, version))


@pytest.mark.parametrize("version", [5, 6, 7])
@pytest.mark.parametrize("key", ["", "key"])
def test_the_start_of_a_usual_attempt_needs_no_library(version, key):
    identity = InvocationId(bytes(range(24)))
    for seed in (None, 5):
        message = Start(identity, invocation_text(identity), 3, (), True, key, 0, 3_600_000, seed)
        assert write_start(message, version) == written(message, version)


@given(SLEEPS)
def test_sleeps_are_what_the_library_makes_of_them(message):
    assert write_sleep(message, 7) in (None, written(message))
    usual = not message.name and message.wake_up_time and 0 < message.result_completion_id < 128
    assert (write_sleep(message, 7) is not None) == bool(usual)


@given(SMALL_NUMBERS, st.sampled_from([VOID, Value(b""), Failure(500, "broken")]))
def test_completions_are_what_the_library_makes_of_them(completion_id, result):
    message = Completion(CompletionKind.SLEEP, completion_id, result)
    fields = write_completion(message, 7)
    payload = CLASSES["Notification"](**fields).SerializeToString()
    plain = write_void_completion(message)
    assert plain in (None, payload)
    assert (plain is not None) == (result is VOID and 0 < completion_id < 128)


@pytest.mark.parametrize("kind", CompletionKind)
@pytest.mark.parametrize("completion_id", [1, 127, 128])
def test_a_completion_of_any_kind_that_brings_nothing_is_read_as_it_was_written(
    kind, completion_id
):
    message = Completion(kind, completion_id, VOID)
    frame = encode(message, 7)
    assert int.from_bytes(frame[:2], "big") == kind
    assert decode(kind, 0, frame[8:], 7) == message


IDENTITY = InvocationId(bytes(24))


@pytest.mark.parametrize(
    "message",
    [
        Start(IDENTITY, invocation_text(IDENTITY), -1),
        Start(IDENTITY, invocation_text(IDENTITY), 2**32),
        Start(IDENTITY, invocation_text(IDENTITY), 1, duration_since_last_stored_entry=-1),
        Start(IDENTITY, invocation_text(IDENTITY), 1, duration_since_last_stored_entry=2**64),
        Start(IDENTITY, invocation_text(IDENTITY), 1, random_seed=-1),
        Start(IDENTITY, invocation_text(IDENTITY), 1, key="\ud800"),
        Sleep(2**64, 1),
        Sleep(1, 2**32),
        Sleep(1, -1),
        Completion(CompletionKind.SLEEP, -1, VOID),
        Completion(CompletionKind.SLEEP, 2**32, VOID),
    ],
)
def test_what_no_library_would_write_is_refused(message):
    with pytest.raises(UnencodableMessageError, match="cannot be sent"):
        encode(message, 7)


def test_headers_are_remembered_within_bounds():
    value, remembered = Value(b""), wire_plain._known_headers
    remembered.clear()
    for number in range(3000):
        message = Input(value, (("x-number", str(number)), ("x-long", "v" * 100 + str(number))))
        for _ in range(2):
            assert write_input(message, 7) == written(message)
        assert ("x-number", str(number)) in remembered
        assert len(remembered) <= 1024
    assert all(len(key) + len(value) <= 64 for key, value in remembered)


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
