"""``perdure invocations tail``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

import click

from perdure.cli import completing
from perdure.cli.admin_api import Row
from perdure.cli.groups import AdminCommand
from perdure.cli.invocation_rows import (
    COLUMNS,
    ENTRIES_MAX,
    outcome_text,
    read_events,
    read_invocation,
    read_journal,
)
from perdure.cli.output import STATUS_STYLES, plain, status_text
from perdure.cli.session import Session, with_session
from perdure.cli.sql_text import literal, matching_any, select
from perdure.cli.timeline import Step, Timeline, merge
from perdure.cli.times import span

#: Changes that are read at once; more than that between two looks are read a look later.
CHANGES_MAX: Final = 1_000
INTERVAL_S: Final = 1.0


@click.command(cls=AdminCommand)
@click.argument(
    "queries",
    metavar="[QUERY]...",
    nargs=-1,
    shell_complete=completing.queries(completing.OPEN),
)
@click.option(
    "--lines", type=click.IntRange(0), default=10, show_default=True, help="Changes before now."
)
@click.option(
    "-n",
    "--interval",
    type=click.FloatRange(0.1),
    default=INTERVAL_S,
    show_default=True,
    metavar="SECONDS",
    help="Between two looks.",
)
@click.option("--json", "as_json", is_flag=True, help="A JSON document a line.")
@with_session
def tail(
    session: Session, queries: tuple[str, ...], *, lines: int, interval: float, as_json: bool
) -> None:
    """Follow invocations as they change, or the journal of one.

    With one id, each step of its journal is shown as it begins and as it ends, until the
    invocation is completed. Otherwise each change of status is shown, of the invocations that
    match one of the queries, or of all.
    """
    if len(queries) == 1 and queries[0].startswith("inv_"):
        _follow_one(session, queries[0], interval, as_json=as_json)
    else:
        _follow_many(session, queries, lines, interval, as_json=as_json)


def _follow_one(session: Session, invocation_id: str, interval: float, *, as_json: bool) -> None:
    timeline = Timeline()
    last_index = -1
    events_seen = 0
    while True:
        # The status is read first: what is in the journal of a completed one is all there will be.
        row = read_invocation(session.admin, invocation_id)
        entries = read_journal(session.admin, invocation_id, last_index)
        events = read_events(session.admin, invocation_id)
        for found in merge(entries, events[events_seen:]):
            event = "event_type" in found
            step = timeline.add_event(found) if event else timeline.add(found)
            if step is not None:
                _tell_step(session, step, as_json=as_json)
        events_seen = len(events)
        last_index = entries[-1]["index"] if entries else last_index
        if row["status"] == "completed" and len(entries) < ENTRIES_MAX:
            session.output.note(f"completed: {outcome_text(row, session.times)}")
            return
        session.surroundings.sleep(interval)


def _follow_many(
    session: Session, queries: Sequence[str], lines: int, interval: float, *, as_json: bool
) -> None:
    meant = [matching_any(queries)] if queries else []
    rows = _changes(session, meant, "modified_at DESC, id", max(lines, 1))
    rows.reverse()
    since = rows[-1]["modified_at"] if rows else None
    for row in rows[len(rows) - lines :] if lines else ():
        _tell_change(session, row, as_json=as_json)
    # A moment may still bring more changes than were read of it: it is read again.
    seen = {_mark(row) for row in rows}
    while True:
        session.surroundings.sleep(interval)
        later = [] if since is None else [f"modified_at >= {literal(since)}"]
        # What is read again leaves room for as much that is new.
        rows = _changes(session, [*meant, *later], "modified_at, id", CHANGES_MAX + len(seen))
        for row in rows:
            if _mark(row) not in seen:
                _tell_change(session, row, as_json=as_json)
        if rows:
            since = rows[-1]["modified_at"]
            seen = {_mark(row) for row in rows if row["modified_at"] == since}


def _changes(session: Session, conditions: list[str], order: str, limit: int) -> list[Row]:
    return session.admin.query(
        select(COLUMNS, "sys_invocation", conditions, order=order, limit=limit)
    )


def _mark(row: Row) -> tuple[str, str, str]:
    return row["id"], row["modified_at"], row["status"]


def _tell_change(session: Session, row: Row, *, as_json: bool) -> None:
    if as_json:
        session.output.json(row, compact=True)
        return
    line = plain(session.times.moment(row["modified_at"]), "dim")
    line.append("  ").append_text(status_text(f"{row['status']:<11}"))
    line.append_text(plain(f"  {row['target']}  {row['id']}  "))
    session.output.data(line.append_text(plain(outcome_text(row, session.times), "dim")))


def _tell_step(session: Session, step: Step, *, as_json: bool) -> None:
    if as_json:
        session.output.json(asdict(step), compact=True)
        return
    offset = "" if step.offset_s is None else f"+{span(step.offset_s)}"
    line = plain(f"{offset:>10}  ", "dim")
    line.append_text(plain(step.type, "red" if step.kind == "event" else "bold"))
    line.append_text(plain(f" {step.detail}" if step.detail else ""))
    if step.result:
        style = STATUS_STYLES.get(step.result, "yellow")
        line.append_text(plain(f"  {step.result}", style))
    if step.took_s is not None:
        line.append_text(plain(f" after {span(step.took_s)}"))
    session.output.data(line.append_text(plain(f"  {step.value}" if step.value else "", "dim")))
