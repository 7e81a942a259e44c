"""A journal and its events become steps, each with its time and its outcome."""

from __future__ import annotations

import json

import pytest

from perdure.cli.timeline import Timeline, make_timeline


def at(milliseconds):
    return f"2026-11-22T00:11:16.{milliseconds:03}Z"


def entry(index, entry_type, milliseconds, body, name=""):
    kind, _, inner = entry_type.partition(": ")
    document = {inner: body} if kind == "Command" or inner == "Signal" else None
    document = document or {"Completion": {inner: body}}
    return {
        "index": index,
        "entry_type": entry_type,
        "name": name,
        "entry_json": json.dumps({kind: document}),
        "appended_at": at(milliseconds),
    }


def event(after, milliseconds, **body):
    return {
        "after_journal_entry_index": after,
        "event_type": body["ty"],
        "event_json": json.dumps(body),
        "appended_at": at(milliseconds),
    }


def told(steps):
    return [(step.index, step.type, step.detail, step.result, step.value) for step in steps]


def test_a_command_and_its_completion_are_one_step():
    steps = make_timeline(
        [
            entry(0, "Command: Input", 100, {"payload": [34, 97, 34], "headers": []}),
            entry(1, "Command: Run", 106, {"completion_id": 1, "name": "charge"}, "charge"),
            entry(2, "Notification: Run", 136, {"completion_id": 1, "result": {"Success": [49]}}),
            entry(
                3, "Command: Output", 140, {"result": {"Failure": {"code": 418, "message": "no"}}}
            ),
        ],
        [],
    )
    assert told(steps) == [
        (0, "Input", "", "", '"a"'),
        (1, "Run", "charge", "success", "1"),
        (3, "Output", "", "failure", "[418] no"),
    ]
    assert [round(step.offset_s, 3) for step in steps] == [0, 0.006, 0.04]
    assert steps[1].took_s == pytest.approx(0.03)
    assert steps[2].took_s is None


def test_a_call_is_completed_by_its_result_and_not_by_its_id():
    target = {"VirtualObject": {"name": "Counter", "key": "k", "handler": "add", "scope": None}}
    request = {"invocation_id": "inv_1", "invocation_target": target}
    ids = {"invocation_id_completion_id": 1, "result_completion_id": 2}
    timeline = Timeline()
    step = timeline.add(entry(0, "Command: Call", 0, {"request": request, **ids}))
    assert (step.detail, step.result) == ("Counter/k/add inv_1", "waiting")
    call_id = entry(1, "Notification: CallInvocationId", 1, {"completion_id": 1})
    assert timeline.add(call_id) is None
    result = {"completion_id": 2, "result": {"Failure": {"code": 500, "message": "broken"}}}
    assert timeline.add(entry(2, "Notification: Call", 2, result)) is step
    assert (step.result, step.value) == ("failure", "[500] broken")


def test_failed_attempts_stand_after_the_entry_they_came_after():
    steps = make_timeline(
        [
            entry(0, "Command: Input", 0, {"payload": []}),
            entry(1, "Command: Run", 5, {"completion_id": 1}, "flaky"),
            entry(2, "Notification: Run", 900, {"completion_id": 1, "result": "Void"}),
        ],
        [
            event(
                1,
                10,
                ty="TransientError",
                error_code=500,
                error_message="no luck",
                related_command_type="Run",
                related_command_name="flaky",
            ),
            event(1, 20, ty="Paused"),
        ],
    )
    assert told(steps) == [
        (0, "Input", "", "", ""),
        (1, "Run", "flaky", "success", ""),
        (1, "TransientError", "during Run flaky", "failure", "[500] no luck"),
        (1, "Paused", "", "", ""),
    ]


@pytest.mark.parametrize(
    ("entry_type", "body", "detail"),
    [
        ("Command: Sleep", {"wake_up_time": 1_800_000_000_000}, "until 2027-01-15 08:00:00 UTC"),
        ("Command: SetState", {"key": "count", "value": [49]}, "count"),
        ("Command: CompleteAwakeable", {"id": "sign_1", "result": {"Success": [49]}}, "sign_1"),
        (
            "Command: SendSignal",
            {"target_invocation_id": "inv_2", "signal_id": {"Index": 1}, "result": "Void"},
            "cancel to inv_2",
        ),
        ("Command: AttachInvocation", {"target": {"InvocationId": "inv_3"}}, "inv_3"),
        ("Notification: Signal", {"id": {"Index": 1}, "result": "Void"}, "cancel"),
        ("Notification: Signal", {"id": {"Name": "approved"}, "result": "Void"}, "approved"),
        ("Notification: Signal", {"id": {"Index": 17}, "result": {"Success": [49]}}, "17"),
        ("Command: FromTheFuture", {"surprise": True}, ""),
    ],
)
def test_each_kind_of_entry_says_what_it_is_about(entry_type, body, detail):
    assert Timeline().add(entry(0, entry_type, 0, body)).detail == detail


def test_values_are_shown_from_their_start_and_bytes_are_counted():
    def value(payload):
        result = {"result": {"Success": list(payload)}}
        return Timeline().add(entry(0, "Command: Output", 0, result)).value

    assert value(b"x" * 500) == "x" * 120 + "... (500 bytes)"
    assert value(b"\xff\x00") == "2 bytes"


def test_entries_without_json_or_time_are_steps_too():
    row = {"index": 3, "entry_type": "Command: Run", "name": "n"}
    step = Timeline().add(row)
    assert (step.index, step.detail, step.at, step.offset_s) == (3, "n", None, None)
