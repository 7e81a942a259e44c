"""Journals as JSON: every kind of entry can be read."""

from __future__ import annotations

import pytest
from admin_support import INVOCATION, NEW_INVOCATION, NOW_MS, ScriptedEngine, ask

from perdure.core.model.journals import JournalEntry
from perdure.protocol.ids import invocation_text
from perdure.protocol.messages import (
    VOID,
    Call,
    Completion,
    CompletionKind,
    Failure,
    GetEagerStateKeys,
    Input,
    InvocationIdentity,
    Output,
    Run,
    Signal,
    Sleep,
    StateKeys,
    Value,
)

URL = f"/invocations/{invocation_text(INVOCATION)}/journal"
KNOWN = object()
AT = "2026-11-21T20:28:55.473000000Z"

ENTRIES = [
    (
        Input(Value(b'"x"'), (("a", "b"),)),
        "Command: Input",
        {"value": '"x"', "headers": [["a", "b"]]},
    ),
    (Run(1, "charge"), "Command: Run", {"result_completion_id": 1}),
    (
        Completion(CompletionKind.RUN, 1, Failure(500, "no")),
        "Notification: Run",
        {
            "kind": "run",
            "completion_id": 1,
            "result": {"code": 500, "message": "no", "metadata": []},
        },
    ),
    (Sleep(5, 2), "Command: Sleep", {"wake_up_time": 5, "result_completion_id": 2}),
    (
        GetEagerStateKeys(StateKeys((b"a", b"\xff"))),
        "Command: GetEagerStateKeys",
        {"keys": {"keys": ["a", {"base64": "/w=="}]}},
    ),
    (
        Completion(CompletionKind.CALL_INVOCATION_ID, 3, InvocationIdentity("inv_1")),
        "Notification: CallInvocationId",
        {
            "kind": "call_invocation_id",
            "completion_id": 3,
            "result": {"invocation_id": "inv_1"},
        },
    ),
    (Signal(17, VOID), "Notification: Signal", {"signal": 17, "result": {}}),
    (Output(Value(b"\xff")), "Command: Output", {"result": {"base64": "/w=="}}),
]


def engine(*entries):
    journal = [JournalEntry(NOW_MS, message) for message in entries]
    return ScriptedEngine(rows={INVOCATION: KNOWN}, journals={INVOCATION: journal})


@pytest.mark.parametrize(("message", "entry_type", "content"), ENTRIES)
def test_an_entry_shows_what_it_says(message, entry_type, content):
    (shown,) = ask(engine(message), "GET", URL).json["entries"]
    assert shown == {
        "index": 0,
        "entry_type": entry_type,
        "appended_at": AT,
        "name": getattr(message, "name", ""),
        "content": content,
    }


def test_a_call_shows_whom_it_called():
    entry = JournalEntry(NOW_MS, Call("Greeter", "greet", b"1", 2, 3), NEW_INVOCATION)
    ours = ScriptedEngine(rows={INVOCATION: KNOWN}, journals={INVOCATION: [entry]})
    assert ask(ours, "GET", f"{URL}/0").json["invoked_id"] == invocation_text(NEW_INVOCATION)


def test_entries_are_in_order_and_have_their_own_address():
    ours = engine(*(message for message, _, _ in ENTRIES))
    shown = ask(ours, "GET", URL).json["entries"]
    assert [each["index"] for each in shown] == list(range(len(ENTRIES)))
    assert ask(ours, "GET", f"{URL}/3").json == shown[3]


@pytest.mark.parametrize(
    ("index", "status"),
    [("1", 404), ("-1", 400), ("x", 400), ("4294967296", 400), ("9" * 999, 400)],
)
def test_other_indexes_are_refused(index, status):
    assert ask(engine(ENTRIES[0][0]), "GET", f"{URL}/{index}").status == status


def test_a_long_journal_is_shown_a_page_at_a_time():
    ours = engine(*[Run(number) for number in range(1_500)])
    pages = [ask(ours, "GET", f"{URL}?from={start}").json["entries"] for start in (0, 1_000, 2_000)]
    assert [len(page) for page in pages] == [1_000, 500, 0]
    assert pages[1][0]["index"] == 1_000


def test_a_purged_journal_is_empty():
    assert ask(engine(), "GET", URL).json == {"entries": []}


def test_an_unknown_invocation_has_no_journal():
    assert ask(ScriptedEngine(), "GET", URL).status == 404
