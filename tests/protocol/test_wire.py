import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.protocol import messages as m
from perdure.protocol.framing import FrameDecoder, WireError
from perdure.protocol.ids import random_seed
from perdure.protocol.messages import VOID, Combinator, CompletionKind, Failure, Future, Value
from perdure.protocol.trees import LEVELS_MAX, depth
from perdure.protocol.wire import (
    LONG_BYTES,
    MalformedMessageError,
    TooDeepMessageError,
    UnencodableMessageError,
    UnknownMessageError,
    _encode_remembered,
    decode,
    decode_all,
    encode,
    encode_pieces,
)

uint32, uint64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
text, data = st.text(max_size=8), st.binary(max_size=8)
pairs = st.lists(st.tuples(text, text), max_size=2).map(tuple)
values, voids = st.builds(Value, data), st.just(VOID)
failures = st.builds(Failure, uint32, text, pairs)
outcomes = values | failures
anything = outcomes | voids
optional = st.none() | text
signals = uint32 | text
keys = st.builds(m.StateKeys, st.lists(data, max_size=3).map(tuple))
futures = st.recursive(
    st.builds(
        Future,
        st.lists(uint32, max_size=3).map(tuple),
        st.lists(uint32, max_size=2).map(tuple),
        st.lists(text, max_size=2).map(tuple),
        st.just(()),
        st.sampled_from(Combinator),
    ),
    lambda nested: st.builds(
        Future,
        nested=st.lists(nested, max_size=3).map(tuple),
        combinator=st.sampled_from(Combinator),
    ),
    max_leaves=6,
)
targets = (
    st.builds(m.InvocationTarget, text)
    | st.builds(m.IdempotentRequestTarget, text, text, text, optional, optional)
    | st.builds(m.WorkflowTarget, text, text, optional)
)
calls: dict[str, Any] = {
    "service_name": text, "handler_name": text, "parameter": data, "headers": pairs, "key": text,
    "invocation_id_notification_idx": uint32, "idempotency_key": optional, "scope": optional,
    "limit_key": optional, "name": text,
}  # fmt: skip
MESSAGES: dict[type, st.SearchStrategy[Any]] = {
    m.Start: st.builds(
        m.Start, data, text, uint32, st.lists(st.tuples(data, data), max_size=2).map(tuple),
        st.booleans(), text, uint32, uint64, uint64, optional, optional, optional,
    ),
    m.Suspension: st.builds(m.Suspension, futures),
    m.Error: st.builds(
        m.Error, uint32, text, text, st.none() | uint32, optional, st.none() | uint32,
        st.none() | uint64, st.sampled_from(m.ErrorBehavior),
    ),
    m.End: st.just(m.End()),
    m.CommandAck: st.builds(m.CommandAck, uint32),
    m.ProposeRunCompletion: st.builds(m.ProposeRunCompletion, uint32, outcomes, st.booleans()),
    m.AwaitingOn: st.builds(m.AwaitingOn, futures, st.booleans()),
    m.ProposeRunCompletionAck: st.builds(m.ProposeRunCompletionAck, uint32),
    m.Input: st.builds(m.Input, values, pairs, text),
    m.Output: st.builds(m.Output, outcomes, text),
    m.GetLazyState: st.builds(m.GetLazyState, data, uint32, text),
    m.SetState: st.builds(m.SetState, data, values, text),
    m.ClearState: st.builds(m.ClearState, data, text),
    m.ClearAllState: st.builds(m.ClearAllState, text),
    m.GetLazyStateKeys: st.builds(m.GetLazyStateKeys, uint32, text),
    m.GetEagerState: st.builds(m.GetEagerState, data, voids | values, text),
    m.GetEagerStateKeys: st.builds(m.GetEagerStateKeys, keys, text),
    m.GetPromise: st.builds(m.GetPromise, text, uint32, text),
    m.PeekPromise: st.builds(m.PeekPromise, text, uint32, text),
    m.CompletePromise: st.builds(m.CompletePromise, text, outcomes, uint32, text),
    m.Sleep: st.builds(m.Sleep, uint64, uint32, text),
    m.Call: st.builds(m.Call, result_completion_id=uint32, **calls),
    m.OneWayCall: st.builds(m.OneWayCall, invoke_time=uint64, **calls),
    m.SendSignal: st.builds(m.SendSignal, text, signals, anything, text),
    m.Run: st.builds(m.Run, uint32, text),
    m.AttachInvocation: st.builds(m.AttachInvocation, targets, uint32, text),
    m.GetInvocationOutput: st.builds(m.GetInvocationOutput, targets, uint32, text),
    m.CompleteAwakeable: st.builds(m.CompleteAwakeable, text, outcomes, text),
    m.Completion: st.builds(
        m.Completion, st.sampled_from(CompletionKind), uint32,
        anything | keys | st.builds(m.InvocationIdentity, text),
    ),
    m.Signal: st.builds(m.Signal, signals, anything),
}  # fmt: skip


def through_the_wire(message: m.Message, version: int) -> m.Message:
    frames = FrameDecoder().receive_data(encode(message, version))
    return decode(*frames[0], version)


def test_every_message_is_tried():
    assert set(MESSAGES) == set(m.Message.__subclasses__())


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_what_comes_out_is_what_went_in(kind: type):
    @given(MESSAGES[kind])
    def check(message: m.Message):
        assert through_the_wire(message, 7) == message

    check()


@given(st.lists(st.one_of(*MESSAGES.values()), max_size=5))
def test_many_frames_are_read_as_each_of_them(messages: list[m.Message]):
    frames = FrameDecoder().receive_data(b"".join(encode(message, 7) for message in messages))
    assert decode_all(frames, 7) == [decode(*frame, 7) for frame in frames] == messages


@pytest.mark.parametrize(
    "message",
    [
        m.Output(Value(b"1")),
        m.Run(1, "x" * 65),
        m.Suspension(Future(completions=tuple(range(9)))),
        m.Suspension(Future(signals=tuple(range(9)))),
        m.Suspension(Future(named_signals=("x" * 1000,))),
        m.Suspension(Future(nested=(Future((1,)),))),
    ],
)
def test_what_is_long_or_differs_is_not_remembered(message: m.Message):
    _encode_remembered.cache_clear()
    encode(message, 7)
    assert _encode_remembered.cache_info().currsize == 0


@pytest.mark.parametrize(
    "message",
    [m.Output(Value(b"")), m.Run(1, "x" * 64), m.Suspension(Future((1, 2), (1,)))],
)
def test_what_comes_again_is_remembered_version_by_version(message: m.Message):
    _encode_remembered.cache_clear()
    assert [through_the_wire(message, version) for version in (6, 6, 7, 7)][2:] == [message] * 2
    assert _encode_remembered.cache_info()[:2] == (2, 2)


@pytest.mark.parametrize(
    ("message", "bytes_"),
    [
        (m.Sleep(300, 1, "nap"), "040c 0000 0000000a 08ac02 5801 62036e6170"),
        (m.Output(Value(b"hi")), "0401 0000 00000006 7204 0a026869"),
        (m.End(), "0003 0000 00000000"),
        (m.ProposeRunCompletion(2, Value(b"x"), ack=True), "0005 8000 00000005 0802 720178"),
        (m.Completion(CompletionKind.SLEEP, 1, VOID), "800c 0000 00000004 0801 2200"),
        (m.Signal(1, VOID), "fbff 0000 00000004 1001 2200"),
        (m.Call("S", "h", b"p", 1, 2, key="k"),
         "040d 0000 00000010 0a0153 120168 1a0170 2a016b 5001 5802"),
        (m.OneWayCall("S", "h", b"p", 1, 5, key="k"),
         "040e 0000 00000010 0a0153 120168 1a0170 2005 32016b 5001"),
        (m.Suspension(Future((1, 2), (1,))), "0001 0000 0000000b 2209 0a020102 120101 2801"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_bytes_are_those_of_the_protocol(message: m.Message, bytes_: str):
    assert encode(message, 7) == bytes.fromhex(bytes_)


def test_a_suspension_is_flat_before_version_7():
    message = m.Suspension(Future((1, 2), (1,), ("go",)))
    assert encode(message, 6) == bytes.fromhex("0001 0000 0000000b 0a020102 120101 1a02676f")
    assert through_the_wire(message, 6) == message


def test_start_has_what_its_version_has():
    start = m.Start(b"i", "inv", 1, random_seed=7, scope="s", limit_key="l", idempotency_key="k")
    plain = msgspec.structs.replace(start, scope=None, limit_key=None, idempotency_key=None)
    assert through_the_wire(start, 7) == start
    assert through_the_wire(start, 6) == plain
    assert through_the_wire(start, 5) == msgspec.structs.replace(plain, random_seed=0)


def test_a_seed_that_follows_from_the_id_is_sent_all_the_same():
    start = m.Start(bytes(24), "inv", 1)
    seeded = msgspec.structs.replace(start, random_seed=random_seed(bytes(24)))
    assert through_the_wire(start, 6) == seeded


def test_failures_have_no_metadata_before_version_6():
    output = m.Output(Failure(500, "no", (("a", "b"),)))
    assert through_the_wire(output, 6) == output
    assert through_the_wire(output, 5) == m.Output(Failure(500, "no"))


def test_acknowledgements_are_asked_for_from_version_7_on():
    proposal = m.ProposeRunCompletion(1, Value(b""), ack=True)
    assert through_the_wire(proposal, 6) == m.ProposeRunCompletion(1, Value(b""))
    frame = FrameDecoder().receive_data(encode(proposal, 7))[0]
    assert decode(*frame, 6) == m.ProposeRunCompletion(1, Value(b""))


def test_the_flag_on_commands_is_read_over():
    assert decode(0x0411, 0x8000, b"\x58\x01", 7) == m.Run(1)


def test_unknown_fields_are_ignored():
    assert decode(0x0411, 0, b"\x58\x01" + b"\xfa\x07\x03abc", 6) == m.Run(1)


def test_lists_of_numbers_may_come_unpacked():
    assert decode(0x0001, 0, bytes.fromhex("0801 0802"), 6) == m.Suspension(Future((1, 2)))


def test_unknown_enumeration_values():
    error = decode(0x0002, 0, bytes.fromhex("08f403 4809"), 7)
    assert error == m.Error(500, "", behavior=m.ErrorBehavior.RETRY)
    waiting = decode(0x0006, 0, bytes.fromhex("0a04 08012863"), 7)
    assert waiting == m.AwaitingOn(Future((1,), combinator=Combinator.UNKNOWN))


@pytest.mark.parametrize("kind", [0x0008, 0x03FF, 0x040F, 0x0415, 0x800F, 0x8000, 0xFC00, 0xFFFF])
def test_unknown_types(kind: int):
    with pytest.raises(UnknownMessageError, match=f"type {kind:#06x}"):
        decode(kind, 0, b"", 7)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (0x0005, "0801"),  # a proposal of nothing
        (0x0401, ""),  # an output without a result
        (0x0410, "0a0178 2200"),  # a signal that is not said
        (0x0410, "0a0178 1001"),  # a signal without a result
        (0x0412, "5801"),  # no target
        (0x800C, "2200"),  # a completion of nothing
        (0x800C, "0801"),  # a completion without a result
        (0xFBFF, "2200"),
        (0x040C, "ff"),
        (0x040C, "6202ffff"),  # a name that is not text
    ],
)
def test_malformed_messages(kind: int, payload: str):
    with pytest.raises(MalformedMessageError, match=f"type {kind:#06x} cannot be read"):
        decode(kind, 0, bytes.fromhex(payload), 7)


def tower(levels: int, **leaf: Any) -> Future:
    """Nest a future so many levels deep."""
    future = Future((1,), **leaf)
    for _ in range(levels - 1):
        future = Future(signals=(1,), nested=(future, Future((2,))))
    return future


def in_frames(message: m.Message) -> tuple[int, bytes]:
    ((kind, _, payload),) = FrameDecoder().receive_data(encode(message, 7))
    return kind, payload


@pytest.mark.parametrize("of", [m.Suspension, m.AwaitingOn])
def test_trees_travel_up_to_a_depth(of):
    kind, payload = in_frames(of(tower(LEVELS_MAX)))
    read = decode(kind, 0, payload, 7)
    assert depth(read.awaiting_on) == LEVELS_MAX
    assert in_frames(read) == (kind, payload)
    with pytest.raises(UnencodableMessageError, match="deeper than 1000 levels; flatten them"):
        encode(of(tower(LEVELS_MAX + 1)), 7)


@pytest.mark.parametrize(("kind", "field"), [(0x0001, 0x22), (0x0006, 0x0A)])
def test_deeper_trees_are_told_from_nonsense(kind, field):
    def nested(body: bytes, levels: int) -> bytes:
        for _ in range(levels - 1):
            body = _within(0x22, body)
        return _within(field, body)

    leaf = b"\x0a\x01\x01"
    assert depth(decode(kind, 0, nested(leaf, LEVELS_MAX), 7).awaiting_on) == LEVELS_MAX
    with pytest.raises(TooDeepMessageError, match="flatten them, then resume"):
        decode(kind, 0, nested(leaf, LEVELS_MAX + 1), 7)
    for levels in (1, 2, 3, LEVELS_MAX):
        with pytest.raises(MalformedMessageError, match="cannot be read"):
            decode(kind, 0, nested(b"\x0a\x02\x01", levels), 7)


def _within(tag: int, body: bytes) -> bytes:
    size, length = len(body), bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([tag, *length, size]) + body


@pytest.mark.parametrize("levels", [500, 1000])
def test_trees_that_would_take_long_to_read_are_refused(levels):
    """Each level is copied out of the one above it."""
    kind, payload = in_frames(m.Suspension(tower(levels, named_signals=("x" * 200_000,))))
    with pytest.raises(TooDeepMessageError, match="hold too much"):
        decode(kind, 0, payload, 7)


def test_trees_of_very_many_futures_are_refused():
    few, many = (Future(nested=(Future((1,)),) * count) for count in (30_000, 35_000))
    assert through_the_wire(m.Suspension(few), 7) == m.Suspension(few)
    with pytest.raises(TooDeepMessageError, match="hold too much"):
        through_the_wire(m.Suspension(many), 7)


def test_equal_deep_trees_are_encoded_alike():
    assert encode(m.AwaitingOn(tower(900)), 7) == encode(m.AwaitingOn(tower(900)), 7)


KINDS = st.sampled_from([*range(9), *range(0x0400, 0x0416), *CompletionKind, 0xFBFF])


@given(kind=KINDS, flags=st.sampled_from([0, 0x8000, 1]), payload=st.binary(max_size=60),
       version=st.integers(5, 7))  # fmt: skip
def test_garbage_is_a_message_or_a_named_error(kind, flags, payload, version):
    try:
        message = decode(kind, flags, payload, version)
    except WireError:
        return
    assert isinstance(message, m.Message)


def test_errors_are_told_whatever_they_say():
    assert through_the_wire(m.Error(500, "\ud800", "\udcff"), 7) == m.Error(
        500, "\\ud800", "\\udcff"
    )


@pytest.mark.parametrize(
    "message",
    [
        m.Sleep(-1, 1),
        m.Output(Failure(2**32, "")),
        m.Output(Failure(500, "\ud800")),
        m.Suspension(Future((1,), nested=(Future((-1,)),))),
        m.Suspension(Future((1,), nested=(Future(named_signals=("\ud800",)),))),
        m.Error(math.inf, ""),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_travel(message: m.Message):
    with pytest.raises(UnencodableMessageError, match="cannot be sent"):
        encode(message, 7)


LONG = Value(bytes(range(256)) * (LONG_BYTES // 256))


@pytest.mark.parametrize(
    "message",
    [
        m.Input(LONG, (("a", "b"),), "name"),
        m.Output(LONG, "name"),
        m.Completion(CompletionKind.RUN, 7, LONG),
        m.Output(Value(b"short")),
        m.Output(Failure(500, "x" * LONG_BYTES)),
        m.SetState(b"key", LONG),
        m.End(),
    ],
    ids=lambda message: type(message).__name__,
)
@pytest.mark.parametrize("version", [5, 6, 7])
def test_pieces_are_the_frame_of_a_message(message, version):
    pieces = encode_pieces([message], version)
    ((kind, flags, payload),) = FrameDecoder().receive_data(b"".join(pieces))
    assert decode(kind, flags, payload, version) == message


def test_a_long_value_is_not_copied():
    *_, last = encode_pieces([m.Output(LONG)], 7)
    assert last is LONG.content
