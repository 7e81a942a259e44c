"""Rows about invocations: which columns are read, and what they say in a few words."""

from __future__ import annotations

from typing import Final

from perdure.cli.admin_api import AdminApi, Row
from perdure.cli.errors import RefusedError, UsageError
from perdure.cli.sql_text import literal, select
from perdure.cli.times import Times

#: What is asked of each invocation.
COLUMNS: Final = (
    *("id", "target", "target_service_ty", "status", "created_at", "modified_at"),
    *("scheduled_start_at", "completed_at", "idempotency_key", "journal_size"),
    *("pinned_deployment_id", "last_attempt_deployment_id", "last_attempt_server"),
    *("retry_count", "next_retry_at", "last_start_at", "last_failure", "last_failure_error_code"),
    *("last_failure_related_command_name", "last_failure_related_command_type"),
    *("invoked_by", "invoked_by_id", "invoked_by_target", "restarted_from", "trace_id"),
    *("completion_result", "completion_failure"),
)

#: Entries of a journal that are read at most.
ENTRIES_MAX: Final = 10_000


def read_invocation(admin: AdminApi, invocation_id: str) -> Row:
    """Read one invocation.

    Raises:
        RefusedError: there is none with this id.
        UsageError: this is no id of an invocation.
    """
    if not invocation_id.startswith("inv_"):
        raise UsageError(
            f"{invocation_id!r} is no id of an invocation, which begins with inv_; "
            "`perdure invocations list` shows ids"
        )
    rows = admin.query(select(COLUMNS, "sys_invocation", [f"id = {literal(invocation_id)}"]))
    if not rows:
        raise RefusedError(
            f"there is no invocation {invocation_id}: it never was, was purged, or its retention "
            "is over"
        )
    return rows[0]


def read_journal(admin: AdminApi, invocation_id: str, after: int = -1) -> list[Row]:
    """Read the entries of a journal whose index is larger than ``after``, in order."""
    return admin.query(
        select(
            ["index", "entry_type", "name", "entry_json", "appended_at"],
            "sys_journal",
            [f"id = {literal(invocation_id)}", f"index > {after}"],
            order="index",
            limit=ENTRIES_MAX,
        )
    )


def read_events(admin: AdminApi, invocation_id: str) -> list[Row]:
    """Read what happened to an invocation beside its journal, in order."""
    return admin.query(
        select(
            ["after_journal_entry_index", "event_type", "event_json", "appended_at"],
            "sys_journal_events",
            [f"id = {literal(invocation_id)}"],
            order="after_journal_entry_index, appended_at",
            limit=ENTRIES_MAX,
        )
    )


def outcome_text(row: Row, times: Times) -> str:
    """Say in a few words how an invocation stands, beyond its status."""
    match row["status"]:
        case "completed":
            return str(row.get("completion_failure", row.get("completion_result", "")))
        case "scheduled":
            start = row.get("scheduled_start_at")
            return "" if start is None else f"starts {times.age(start)}"
        case "backing-off":
            tries = f"{row.get('retry_count', 0)} retries"
            when = times.age(row.get("next_retry_at"))
            return f"{tries}, next {when}: {_first_line(row.get('last_failure'))}"
        case _:
            return _first_line(row.get("last_failure"))


def _first_line(text: str | None) -> str:
    return "" if not text else text.splitlines()[0]
