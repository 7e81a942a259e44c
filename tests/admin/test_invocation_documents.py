"""One invocation, as operators see it."""

import pytest
from admin_support import INVOCATION, NOW_MS, OLDER, ScriptedEngine, ask

from perdure.core.model.invocations import (
    Completed,
    Inboxed,
    Invocation,
    Origin,
    Paused,
    Pin,
    Problem,
    Retention,
    Running,
    Scheduled,
    Suspended,
)
from perdure.core.model.journals import JournalSize
from perdure.core.model.targets import HandlerKind, Target
from perdure.protocol.ids import invocation_text
from perdure.protocol.messages import Failure, Future, Value

TEXT = invocation_text(INVOCATION)
NOW = "2026-11-21T20:28:55.473000000Z"
PROBLEM = Problem(500, "boom", doc_code="RT0007")


def row(status, **others):
    target = others.pop("target", Target("Counter", "add", HandlerKind.EXCLUSIVE, "k1"))
    retention = Retention(86_400_000, 3_600_000)
    return Invocation(NOW_MS, NOW_MS, target, status, retention, JournalSize(5, 3), **others)


def show(invocation):
    engine = ScriptedEngine(rows={INVOCATION: invocation})
    response = ask(engine, "GET", f"/invocations/{TEXT}")
    assert response.status == 200
    return response.json


def test_an_invocation_is_shown_without_what_does_not_apply():
    assert show(row(Running())) == {
        "id": TEXT,
        "target": "Counter/k1/add",
        "target_service_name": "Counter",
        "target_service_key": "k1",
        "target_handler_name": "add",
        "target_service_ty": "virtual_object",
        "status": "running",
        "created_at": NOW,
        "modified_at": NOW,
        "completion_retention": "1d",
        "journal_retention": "1h",
        "journal_size": 5,
        "journal_commands_size": 3,
    }


def test_a_journal_that_is_gone_has_no_entries():
    shown = show(row(Completed(NOW_MS, Value(b"out"), journal_purged=True)))
    assert (shown["journal_size"], shown["journal_commands_size"]) == (0, 0)


def test_a_plain_service_has_no_key():
    shown = show(row(Running(), target=Target("Greeter", "greet", HandlerKind.SERVICE)))
    assert shown["target"] == "Greeter/greet"
    assert "target_service_key" not in shown


@pytest.mark.parametrize(
    ("status", "name", "shown"),
    [
        (Scheduled(NOW_MS), "scheduled", {"scheduled_start_at": NOW}),
        (Inboxed(b""), "pending", {}),
        (
            Running(failures=1, retry_at=NOW_MS, problem=PROBLEM),
            "backing-off",
            {
                "next_retry_at": NOW,
                "last_failure": "[500] boom",
                "last_failure_error_code": "RT0007",
            },
        ),
        (Suspended(Future()), "suspended", {}),
        (
            Paused(PROBLEM),
            "paused",
            {"last_failure": "[500] boom", "last_failure_error_code": "RT0007"},
        ),
        (
            Completed(NOW_MS, Value(b"")),
            "completed",
            {"completed_at": NOW, "completion_result": "success"},
        ),
        (
            Completed(NOW_MS, Failure(409, "killed")),
            "completed",
            {
                "completed_at": NOW,
                "completion_result": "failure",
                "completion_failure": "[409] killed",
            },
        ),
    ],
)
def test_every_status_shows_what_only_it_has(status, name, shown):
    document = show(row(status))
    assert document["status"] == name
    assert {
        key: value for key, value in document.items() if key not in show(row(Running()))
    } == shown


def test_an_invocation_shows_where_it_came_from_and_where_it_goes_on():
    origin = Origin(parent=INVOCATION, parent_target="Greeter/greet", restart_of=INVOCATION)
    shown = show(row(Running(), origin=origin, pin=Pin(OLDER, 7), idempotency_key="i"))
    assert shown["invoked_by_id"] == TEXT
    assert shown["invoked_by_target"] == "Greeter/greet"
    assert shown["restarted_from"] == TEXT
    assert shown["pinned_deployment_id"] == OLDER
    assert shown["pinned_service_protocol_version"] == 7
    assert shown["idempotency_key"] == "i"


def test_an_unknown_invocation_is_not_found():
    response = ask(ScriptedEngine(), "GET", f"/invocations/{TEXT}")
    assert response.status == 404
    assert response.json["message"] == f"The requested invocation '{TEXT}' does not exist"
