"""Commands that show one invocation: what it is, and what it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import click
from rich.console import Group, RenderableType
from rich.text import Text

from perdure.cli import completing
from perdure.cli.admin_api import Row
from perdure.cli.groups import AdminCommand
from perdure.cli.invocation_rows import (
    ENTRIES_MAX,
    outcome_text,
    read_events,
    read_invocation,
    read_journal,
)
from perdure.cli.output import STATUS_STYLES, plain, status_text
from perdure.cli.session import Session, with_session
from perdure.cli.timeline import Step, make_timeline
from perdure.cli.times import parse_time, span
from perdure.cli.views import View, viewed

#: Those that are open first: they are what one looks at.
_ANY: Final = completing.invocations(completing.OPEN, completing.ENDED)


@click.command(cls=AdminCommand)
@click.argument("invocation_id", shell_complete=_ANY)
@viewed
@with_session
def describe(session: Session, invocation_id: str, *, view: View) -> None:
    """Show one invocation with its journal."""

    def render(document: Row) -> RenderableType:
        steps = [Step(**step) for step in document["journal"]]
        return Group(_details(session, document), plain(""), _steps(session, steps, view))

    session.show(view, lambda: _load(session, invocation_id), render)


@click.command(cls=AdminCommand)
@click.argument("invocation_id", shell_complete=_ANY)
@viewed
@with_session
def journal(session: Session, invocation_id: str, *, view: View) -> None:
    """Show what an invocation did, when, and how long each step took.

    A step is a command of the handler with its completion; failed attempts stand where they
    happened. -o wide shows values, and when each step began.
    """

    def render(document: Row) -> RenderableType:
        steps = [Step(**step) for step in document["journal"]]
        return Group(_headline(session, document), plain(""), _steps(session, steps, view))

    session.show(view, lambda: _load(session, invocation_id), render)


def _load(session: Session, invocation_id: str) -> Row:
    row = read_invocation(session.admin, invocation_id)
    entries = read_journal(session.admin, invocation_id)
    if len(entries) == ENTRIES_MAX:
        session.output.warn(f"only the first {ENTRIES_MAX} entries of the journal are shown")
    events = read_events(session.admin, invocation_id)
    steps = make_timeline(entries, events)
    return {**row, "journal": [_document(step) for step in steps]}


def _document(step: Step) -> dict[str, Any]:
    return {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in asdict(step).items()
    }


def _headline(session: Session, row: Row) -> Text:
    begun = parse_time(row["created_at"])
    ended = row.get("completed_at")
    until = session.surroundings.now() if ended is None else parse_time(ended)
    words = "took" if ended is not None else "for"
    return Text.assemble(
        plain(row["target"], "bold"),
        f"  {row['id']}  ",
        status_text(row["status"]),
        f" {words} {span(until - begun)}",
    )


def _details(session: Session, row: Row) -> RenderableType:
    times = session.times
    callers = [row.get("invoked_by"), row.get("invoked_by_target"), row.get("invoked_by_id")]
    failed = (
        row.get("last_failure_related_command_type"),
        row.get("last_failure_related_command_name"),
    )
    return session.output.details(
        [
            ("ID", row["id"]),
            ("Target", row["target"]),
            ("Status", status_text(row["status"])),
            ("Detail", plain(outcome_text(row, times))),
            ("Created", _both(session, row["created_at"])),
            ("Modified", _both(session, row["modified_at"])),
            ("Completed", _both(session, row.get("completed_at"))),
            ("Invoked by", " ".join(part for part in callers if part)),
            ("Restarted from", row.get("restarted_from")),
            ("Idempotency key", row.get("idempotency_key")),
            ("Deployment", row.get("pinned_deployment_id")),
            ("Last attempt on", row.get("last_attempt_deployment_id")),
            ("SDK", row.get("last_attempt_server")),
            ("Trace", row.get("trace_id")),
            ("Failed during", " ".join(part for part in failed if part)),
            ("Last failure", row.get("last_failure")),
        ]
    )


def _both(session: Session, moment: str | None) -> str:
    """Write a moment with its age."""
    if moment is None:
        return ""
    times = session.times
    written, age = times.moment(moment), times.age(moment)
    return written if written == age else f"{written} ({age})"


def _steps(session: Session, steps: Sequence[Step], view: View) -> RenderableType:
    if not steps:
        return plain("the journal is empty, or no longer kept", "dim")
    headers = ["#", "AFTER", "TOOK", "STEP", "ABOUT", "RESULT"]
    if view.wide:
        headers += ["VALUE", "AT"]
    return session.output.table(headers, [_cells(session, step, view) for step in steps])


def _cells(session: Session, step: Step, view: View) -> list[object]:
    now = session.surroundings.now()
    took: object = "" if step.took_s is None else span(step.took_s)
    if step.result == "waiting" and step.at is not None:
        took = plain(f"{span(now - parse_time(step.at))} ...", "yellow")
    result: object = plain(step.result, STATUS_STYLES.get(step.result, "yellow"))
    if step.result == "failure" and not view.wide:
        result = plain(step.value, "red")
    cells: list[object] = [
        "" if step.kind == "event" else step.index,
        "" if step.offset_s is None else f"+{span(step.offset_s)}",
        took,
        plain(step.type, "red" if step.kind == "event" else "bold"),
        step.detail,
        result,
    ]
    return [*cells, step.value, session.times.moment(step.at)] if view.wide else cells
