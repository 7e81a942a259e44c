from __future__ import annotations

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.core.model.records import Delivered, SignalReceived
from perdure.engine.errors import OverloadedError, RefusalError, UnavailableError
from perdure.links.codec import (
    FRAME_BYTES_MAX,
    Answering,
    Asking,
    FrameReader,
    Greeting,
    Leaving,
    Refusing,
    answering,
    encode_frame,
    read_answer,
    refusal,
    refusing,
)
from perdure.links.errors import BrokenAnswerError, LinkError, LinkLostError
from perdure.links.questions import Edition, FollowRegistry, ReadTaken, TakeParcel, TakeRegistry
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Value

PARCEL = Delivered(1, 7, (SignalReceived(InvocationId(b"a" * 24), "go", Value(b"\x00\xff")),) * 2)
QUESTIONS = [
    ReadTaken(3),
    TakeParcel(PARCEL),
    FollowRegistry(2),
    TakeRegistry(Edition(4, b"{}", is_new=False)),
]
FRAMES = [
    Greeting(1, 0, 2),
    *[Asking(index, question) for index, question in enumerate(QUESTIONS)],
    Refusing(9, 1, "später", 3),
    Leaving(2**40),
]


def frames_of(*pieces: bytes) -> list:
    """Read all there is to read."""
    reader, found = FrameReader(), []
    for piece in pieces:
        reader.feed(piece)
        while (frame := reader.take()) is not None:
            found.append(frame)
    return found


@pytest.mark.parametrize("frame", FRAMES, ids=repr)
def test_a_frame_comes_out_as_it_went_in(frame):
    assert frames_of(encode_frame(frame)) == [frame]


@given(cuts=st.lists(st.integers(0, 300)))
def test_frames_may_be_torn_anywhere(cuts):
    whole = b"".join(encode_frame(frame) for frame in FRAMES)
    places = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    pieces = [whole[start:end] for start, end in itertools.pairwise(places)]
    assert frames_of(*pieces) == FRAMES


def test_frames_come_byte_by_byte():
    whole = b"".join(encode_frame(frame) for frame in FRAMES)
    assert frames_of(*[bytes([byte]) for byte in whole]) == FRAMES


def test_a_long_frame_comes_in_many_pieces_and_its_neighbours_are_found():
    long = Asking(1, TakeRegistry(Edition(1, bytes(5_000_000), is_new=True)))
    frames = [Leaving(1), long, Leaving(2)]
    whole = b"".join(encode_frame(frame) for frame in frames)
    assert frames_of(*[whole[at : at + 65536] for at in range(0, len(whole), 65536)]) == frames


@pytest.mark.parametrize(
    ("question", "answer"),
    [(ReadTaken, 5), (FollowRegistry, Edition(1, b"x", is_new=True)), (TakeRegistry, None)],
)
def test_an_answer_is_read_as_what_was_asked(question, answer):
    [frame] = frames_of(encode_frame(answering(4, answer)))
    assert isinstance(frame, Answering)
    assert frame.number == 4
    assert read_answer(question, frame.answer) == answer


def test_an_answer_of_another_type_is_a_defect():
    [frame] = frames_of(encode_frame(answering(4, "five")))
    with pytest.raises(LinkError, match="ReadTaken"):
        read_answer(ReadTaken, frame.answer)


@pytest.mark.parametrize(
    "kind", [RefusalError, OverloadedError, UnavailableError, BrokenAnswerError]
)
def test_a_refusal_keeps_class_text_and_when_to_come_back(kind):
    error = kind("not now")
    error.retry_after_s = 17
    [frame] = frames_of(encode_frame(refusing(8, error)))
    found = refusal(frame)
    assert (type(found), str(found), found.retry_after_s) == (kind, "not now", 17)
    assert found.status == kind.status


def test_a_refusal_of_a_class_that_is_not_known_travels_as_the_nearest():
    found = refusal(refusing(8, LinkLostError()))
    assert type(found) is UnavailableError
    assert str(found) == str(LinkLostError())


def test_a_length_that_cannot_be_is_refused_at_once():
    with pytest.raises(LinkError, match="claims"):
        frames_of((FRAME_BYTES_MAX + 1).to_bytes(4, "big"))


@pytest.mark.parametrize(
    "body", [b"", b"\xc1", msgspec.msgpack.encode([99, 1]), msgspec.msgpack.encode({"a": 1})]
)
def test_what_is_no_frame_is_refused(body):
    with pytest.raises(LinkError, match="cannot be read"):
        frames_of(len(body).to_bytes(4, "big") + body)
