"""Messages come out of a journal's bytes as they went in, and keep their types on the wire."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from perdure.protocol import messages as m
from perdure.protocol.messages import VOID, CompletionKind, Failure, Future, Value

FAILURE = Failure(409, "näme", (("k", "v"), ("k", "w")))
HEADERS = (("a", "b"), ("a", "c"))
DEEP = Future(
    (1, 2),
    (1, 17),
    ("s", "ü"),
    (Future((3,), combinator=m.Combinator.ALL_COMPLETED), Future(nested=(Future((4,)),))),
    m.Combinator.ALL_SUCCEEDED_OR_FIRST_FAILED,
)

#: Type on the wire (service protocol 4.2), and one value with nothing left at its default.
COMMANDS = {
    0x0400: m.Input(Value(b"\x00\xff"), HEADERS, "n"),
    0x0401: m.Output(FAILURE, "n"),
    0x0402: m.GetLazyState(b"\xff", 1, "n"),
    0x0403: m.SetState(b"\xff", Value(b""), "n"),
    0x0404: m.ClearState(b"\xff", "n"),
    0x0405: m.ClearAllState("n"),
    0x0406: m.GetLazyStateKeys(1, "n"),
    0x0407: m.GetEagerState(b"\xff", VOID, "n"),
    0x0408: m.GetEagerStateKeys(m.StateKeys((b"a", b"\xff")), "n"),
    0x0409: m.GetPromise("p", 1, "n"),
    0x040A: m.PeekPromise("p", 1, "n"),
    0x040B: m.CompletePromise("p", FAILURE, 1, "n"),
    0x040C: m.Sleep(2**64 - 1, 1, "n"),
    0x040D: m.Call("S", "h", b"p", 1, 2, HEADERS, "k", "ik", "sc", "lk", "n"),
    0x040E: m.OneWayCall("S", "h", b"p", 1, 2**64 - 1, HEADERS, "k", "ik", "sc", "lk", "n"),
    0x0410: m.SendSignal("inv_1", "name", FAILURE, "n"),
    0x0411: m.Run(2**32 - 1, "n"),
    0x0412: m.AttachInvocation(m.WorkflowTarget("W", "k", "sc"), 1, "n"),
    0x0413: m.GetInvocationOutput(m.IdempotentRequestTarget("S", "h", "ik", "k", "sc"), 1, "n"),
    0x0414: m.CompleteAwakeable("sign_1", Value(b"v"), "n"),
}
OTHER_COMMANDS = [
    m.Output(Value(b"v")),
    m.GetEagerState(b"k", Value(b"v")),
    m.SendSignal("inv_1", 17, VOID),
    m.SendSignal("inv_1", 0, Value(b"v")),
    m.AttachInvocation(m.InvocationTarget("inv_1"), 1),
    m.AttachInvocation(m.IdempotentRequestTarget("S", "h", ""), 1),
    m.CompleteAwakeable("sign_1", FAILURE),
]
NOTIFICATIONS = [
    *(m.Completion(kind, 1, VOID) for kind in CompletionKind),
    m.Completion(CompletionKind.CALL, 2**32 - 1, Value(b"v")),
    m.Completion(CompletionKind.CALL, 1, FAILURE),
    m.Completion(CompletionKind.CALL_INVOCATION_ID, 1, m.InvocationIdentity("inv_1")),
    m.Completion(CompletionKind.GET_LAZY_STATE_KEYS, 1, m.StateKeys(())),
    m.Signal(1, VOID),
    m.Signal("näme", Value(b"v")),
    m.Signal(17, FAILURE),
]
CONTROL = {
    0x0000: m.Start(b"id", "inv_1", 1, ((b"k", b"v"),), False, "k", 1, 2, 3, "sc", "lk", "ik"),
    0x0001: m.Suspension(DEEP),
    0x0002: m.Error(500, "m", "s", 1, "n", 0x0411, 2, m.ErrorBehavior.FAIL),
    0x0003: m.End(),
    0x0004: m.CommandAck(1),
    0x0005: m.ProposeRunCompletion(1, FAILURE, True),
    0x0006: m.AwaitingOn(DEEP, True),
    0x0007: m.ProposeRunCompletionAck(1),
}
#: What completions are on the wire (service protocol 4.3).
KINDS = {
    "GET_LAZY_STATE": 0x8002,
    "GET_LAZY_STATE_KEYS": 0x8006,
    "GET_PROMISE": 0x8009,
    "PEEK_PROMISE": 0x800A,
    "COMPLETE_PROMISE": 0x800B,
    "SLEEP": 0x800C,
    "CALL": 0x800D,
    "CALL_INVOCATION_ID": 0x800E,
    "RUN": 0x8011,
    "ATTACH_INVOCATION": 0x8012,
    "GET_INVOCATION_OUTPUT": 0x8013,
}


def name(value) -> str:
    return type(value).__name__


def come_back(value, as_type):
    return msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=as_type)


@pytest.mark.parametrize("entry", [*COMMANDS.values(), *OTHER_COMMANDS, *NOTIFICATIONS], ids=name)
def test_a_journal_entry_comes_back_as_it_was(entry):
    assert come_back(entry, m.JournalMessage) == entry


@pytest.mark.parametrize("message", CONTROL.values(), ids=name)
def test_a_control_message_comes_back_as_it_was(message):
    assert come_back(message, type(message)) == message


def test_tags_are_the_types_on_the_wire():
    for number, message in {**COMMANDS, **CONTROL}.items():
        assert type(message).__struct_config__.tag == number
    assert m.Signal.__struct_config__.tag == 0xFBFF
    assert {kind.name: kind.value for kind in CompletionKind} == KINDS


def test_every_message_is_tried():
    assert {type(message) for message in COMMANDS.values()} == set(get_args(m.Command))
    assert {type(one) for one in NOTIFICATIONS} == set(get_args(m.Notification))
    everything = {type(one) for one in (*COMMANDS.values(), *NOTIFICATIONS, *CONTROL.values())}
    assert everything == set(m.Message.__subclasses__())


def test_nothing_is_left_at_its_default():
    """Otherwise a field that is lost on the way would not be missed."""
    for message in (*COMMANDS.values(), *CONTROL.values()):
        for field in msgspec.structs.fields(message):
            if field.default is not msgspec.NODEFAULT:
                assert getattr(message, field.name) != field.default, (name(message), field.name)


def test_messages_are_values():
    assert m.Run(1, "n") == m.Run(1, "n")
    assert hash(m.Run(1, "n")) == hash(m.Run(1, "n"))
    with pytest.raises(AttributeError):
        m.Run(1).name = "other"


def test_built_in_signals():
    assert m.SIGNAL_CANCEL == 1
    assert m.SIGNAL_AWAKEABLE_FIRST == 17
