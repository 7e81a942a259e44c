"""``perdure vqueues``."""

from __future__ import annotations

from typing import Final

import click
from rich.console import Group, RenderableType

from perdure.cli import completing
from perdure.cli.admin_api import Row
from perdure.cli.errors import RefusedError, UsageError
from perdure.cli.groups import CommandGroup
from perdure.cli.output import plain
from perdure.cli.session import Session, with_session
from perdure.cli.sql_text import literal, select
from perdure.cli.views import View, viewed

LIMIT_DEFAULT: Final = 100

_COUNTS: Final = ("num_inbox", "num_running", "num_suspended", "num_paused", "num_finished")
_TIMES: Final = (
    *("created_at", "last_enqueued_at", "last_start_at", "last_attempt_at", "last_finish_at"),
)
_COLUMNS: Final = (
    *("id", "is_active", "queue_is_paused", "service_name", "scope", "limit_key", "lock_name"),
    *_TIMES,
    *_COUNTS,
)
_ENTRY_COLUMNS: Final = (
    *("entry_id", "entry_kind", "stage", "status", "has_lock", "run_at", "sequence_number"),
    *("created_at", "transitioned_at", "num_attempts", "num_errors", "deployment"),
)

vqueues = CommandGroup(
    "vqueues",
    aliases={"ls": "list", "get": "describe"},
    help="Show the virtual queues of flow control.",
)

_limited = click.option(
    "--limit",
    type=click.IntRange(1),
    default=LIMIT_DEFAULT,
    show_default=True,
    help="Most to show.",
)


@vqueues.command("list")
@_limited
@viewed
@with_session
def list_queues(session: Session, *, limit: int, view: View) -> None:
    """List virtual queues."""

    def load() -> list[Row]:
        return session.admin.query(select(_COLUMNS, "sys_vqueue_meta", order="id", limit=limit))

    def render(rows: list[Row]) -> RenderableType:
        if not rows:
            return plain("no virtual queues, as there are where flow control is off", "dim")
        headers = ["ID", "STATE", "SERVICE", "SCOPE", "LIMIT KEY", "LOCK", *_titles(_COUNTS)]
        if view.wide:
            headers += _titles(_TIMES)
        return session.output.table(headers, [_cells(session, row, view) for row in rows])

    session.show(view, load, render)


@vqueues.command("describe")
@click.argument("vqueue_id", shell_complete=completing.vqueues)
@_limited
@click.option("--newest-first", is_flag=True, help="The newest entries first, not the oldest.")
@viewed
@with_session
def describe(
    session: Session, vqueue_id: str, *, limit: int, newest_first: bool, view: View
) -> None:
    """Show one virtual queue and its entries."""
    if not vqueue_id.startswith("vq_"):
        raise UsageError(f"{vqueue_id!r} is no id of a virtual queue, which begins with vq_")
    wanted = [f"id = {literal(vqueue_id)}"]
    direction = "DESC" if newest_first else "ASC"
    order = f"sequence_number {direction}, entry_id"

    def load() -> Row:
        found = session.admin.query(select(_COLUMNS, "sys_vqueue_meta", wanted))
        if not found:
            raise RefusedError(
                f"there is no virtual queue {vqueue_id}; `perdure vqueues list` shows those there "
                "are"
            )
        entries = select(_ENTRY_COLUMNS, "sys_vqueues", wanted, order=order, limit=limit)
        return found[0] | {"entries": session.admin.query(entries)}

    session.show(view, load, lambda row: _show(session, row, view))


def _titles(columns: tuple[str, ...]) -> list[str]:
    names = (column.removeprefix("num_").removesuffix("_at") for column in columns)
    return [name.replace("_", " ").upper() for name in names]


def _state(row: Row) -> str:
    if row.get("queue_is_paused"):
        return "paused"
    return "active" if row.get("is_active") else "idle"


def _cells(session: Session, row: Row, view: View) -> list[object]:
    named = [row.get(name) for name in ("service_name", "scope", "limit_key", "lock_name")]
    cells = [row["id"], _state(row), *named, *(row.get(name) for name in _COUNTS)]
    if view.wide:
        cells += [session.times.age(row.get(name)) for name in _TIMES]
    return cells


def _show(session: Session, row: Row, view: View) -> RenderableType:
    summary = session.output.details(
        [
            ("ID", row["id"]),
            ("State", _state(row)),
            ("Service", row.get("service_name")),
            ("Scope", row.get("scope")),
            ("Limit key", row.get("limit_key")),
            ("Lock", row.get("lock_name")),
            *zip(
                (title.capitalize() for title in _titles(_TIMES)),
                (session.times.moment(row.get(name)) for name in _TIMES),
                strict=True,
            ),
            *zip(
                (title.capitalize() for title in _titles(_COUNTS)),
                (row.get(name) for name in _COUNTS),
                strict=True,
            ),
        ]
    )
    headers = ["ENTRY", "KIND", "STAGE", "STATUS", "ATTEMPTS", "ERRORS", "AGE"]
    if view.wide:
        headers += ["DUE", "LOCK", "DEPLOYMENT"]
    entries = [_entry(session, entry, view) for entry in row["entries"]]
    return Group(summary, plain(""), session.output.table(headers, entries))


def _entry(session: Session, entry: Row, view: View) -> list[object]:
    names = ("entry_id", "entry_kind", "stage", "status", "num_attempts", "num_errors")
    cells = [entry.get(name) for name in names]
    cells.append(session.times.age(entry.get("created_at")))
    if view.wide:
        lock = "yes" if entry.get("has_lock") else ""
        cells += [session.times.age(entry.get("run_at")), lock, entry.get("deployment")]
    return cells
