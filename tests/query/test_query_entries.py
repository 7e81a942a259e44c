"""Journal entries as JSON, in the shape that clients of the original read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from perdure.core.model.deployments import Defaults, build_registry
from perdure.core.model.journals import JournalEntry
from perdure.protocol import messages
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import CompletionKind, Failure, Value, Void
from perdure.query.entries import entry_document, entry_name, entry_type, lite_document

SAMPLES = Path(__file__).parents[3] / "shared" / "reference" / "journal-entries.jsonl"
REGISTRY = build_registry([], Defaults())
CALLEE = InvocationId(bytes(24))

SAID = [
    messages.Input(Value(b'"x"'), (("accept", "*/*"),)),
    messages.Output(Value(b"1")),
    messages.Output(Failure(466, "no")),
    messages.GetLazyState(b"k", 1),
    messages.GetLazyStateKeys(1),
    messages.GetEagerState(b"k", Void()),
    messages.GetEagerState(b"k", Value(b"1")),
    messages.GetEagerStateKeys(messages.StateKeys((b"a", b"b"))),
    messages.SetState(b"k", Value(b"1")),
    messages.ClearState(b"k"),
    messages.ClearAllState(),
    messages.GetPromise("p", 1),
    messages.PeekPromise("p", 1),
    messages.CompletePromise("p", Value(b"1"), 1),
    messages.CompletePromise("p", Failure(455, "no"), 1),
    messages.Sleep(17, 1, "nap"),
    messages.Call("Plain", "hello", b"x", 1, 2),
    messages.Call("Counter", "add", b"x", 1, 2, key="k"),
    messages.OneWayCall("Plain", "hello", b"x", 1, 99, (("h", "v"),)),
    messages.OneWayCall("Counter", "add", b"x", 1, key="k"),
    messages.SendSignal("inv_1", 1, Void()),
    messages.Run(1, "dice"),
    messages.AttachInvocation(messages.InvocationTarget("inv_1"), 1),
    messages.CompleteAwakeable("sign_1", Value(b"1")),
    messages.CompleteAwakeable("sign_1", Failure(418, "no")),
    messages.Completion(CompletionKind.RUN, 1, Failure(499, "no")),
    messages.Completion(CompletionKind.CALL, 1, Value(b"1")),
    messages.Completion(CompletionKind.CALL, 1, Failure(444, "no")),
    messages.Completion(CompletionKind.CALL_INVOCATION_ID, 1, messages.InvocationIdentity("i")),
    messages.Completion(CompletionKind.ATTACH_INVOCATION, 1, Value(b"1")),
    messages.Completion(CompletionKind.GET_LAZY_STATE, 1, Void()),
    messages.Completion(CompletionKind.GET_LAZY_STATE_KEYS, 1, messages.StateKeys((b"a",))),
    messages.Completion(CompletionKind.PEEK_PROMISE, 1, Void()),
    messages.Completion(CompletionKind.COMPLETE_PROMISE, 1, Void()),
    messages.Completion(CompletionKind.GET_PROMISE, 1, Value(b"1")),
    messages.Completion(CompletionKind.GET_PROMISE, 1, Failure(455, "no")),
    messages.Completion(CompletionKind.SLEEP, 1, Void()),
    messages.Signal(17, Value(b"1")),
    messages.Signal(17, Failure(418, "no")),
]


def shape(value):
    """Reduce a document to its structure: keys and types."""
    match value:
        case dict():
            return tuple((key, shape(each)) for key, each in value.items())
        case [first, *_]:
            return (shape(first),)
        case "Void" | "Success" | "Failure" | "InvocationId" | "StateKeys" | "Exclusive":
            return value
        case None | str():
            # A text may be missing, such as an idempotency key.
            return "text"
        case _:
            return type(value).__name__


def shapes(entry):
    return (
        entry_type(entry),
        shape(entry_document(entry, REGISTRY)),
        shape(lite_document(entry, REGISTRY)),
    )


@pytest.mark.skipif(not SAMPLES.is_file(), reason=f"the reference is not there: {SAMPLES}")
def test_entries_have_the_shape_of_the_reference():
    ours = {}
    for message in SAID:
        entry = JournalEntry(1, message, CALLEE)
        kind, whole, lite = shapes(entry)
        ours.setdefault(kind, []).append((whole, lite))
    for line in SAMPLES.read_text().splitlines():
        sample = json.loads(line)
        # Lists that are empty in one and not in the other are of the same shape.
        whole, lite = shape(sample["entry_json"]), shape(sample["entry_lite_json"])
        candidates = ours[sample["entry_type"]]
        assert any(
            loosely(whole) == loosely(mine) and lite == short for mine, short in candidates
        ), sample


def loosely(value):
    """Forget what is in lists."""
    match value:
        case (str() as key, inner) if key in ("headers", "payload", "parameter", "value"):
            del inner
            return key
        case tuple():
            return tuple(loosely(each) for each in value)
        case "list":
            return ("int",)
        case _:
            return value


@pytest.mark.parametrize("message", SAID, ids=lambda message: type(message).__name__)
def test_short_forms_carry_no_payload(message):
    entry = JournalEntry(1, message, CALLEE)
    short = json.dumps(lite_document(entry, REGISTRY))
    assert "parameter" not in short
    assert "payload" not in short
    assert "[49]" not in short.replace(" ", "")


def test_commands_have_names_and_notifications_none():
    assert entry_name(JournalEntry(1, messages.Run(1, "dice"))) == "dice"
    assert entry_name(JournalEntry(1, messages.ClearAllState())) == ""
    assert entry_name(JournalEntry(1, messages.Signal(1, Void()))) is None


@pytest.mark.parametrize(
    ("signal", "told"), [(17, {"SignalIndex": 17}), ("go", {"SignalName": "go"})]
)
def test_signals_are_told_by_index_or_name(signal, told):
    document = lite_document(JournalEntry(1, messages.Signal(signal, Void())), REGISTRY)
    assert document == {"Notification": {"ty": "Signal", "id": told, "result": "Void"}}


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (messages.InvocationTarget("inv_1"), {"InvocationId": "inv_1"}),
        (
            messages.WorkflowTarget("Signup", "w"),
            {"Workflow": {"service_name": "Signup", "key": "w"}},
        ),
    ],
)
def test_what_is_attached_to(target, told):
    entry = JournalEntry(1, messages.AttachInvocation(target, 3, "n"))
    assert entry_document(entry, REGISTRY) == {
        "Command": {"AttachInvocation": {"target": told, "completion_id": 3, "name": "n"}}
    }
