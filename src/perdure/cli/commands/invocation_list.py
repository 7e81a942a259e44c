"""``perdure invocations list``."""

from __future__ import annotations

from typing import Any, Final

import click
from rich.console import RenderableType

from perdure.cli import completing
from perdure.cli.admin_api import Row
from perdure.cli.groups import AdminCommand
from perdure.cli.invocation_rows import COLUMNS, outcome_text
from perdure.cli.output import plain, status_text
from perdure.cli.session import Session, with_session
from perdure.cli.sql_text import is_in, literal, select
from perdure.cli.views import View, viewed

STATUSES: Final = (
    *("scheduled", "pending", "ready", "running"),
    *("suspended", "backing-off", "paused", "completed"),
)


@click.command("list", cls=AdminCommand)
@click.option(
    "--service",
    multiple=True,
    metavar="NAME",
    shell_complete=completing.services,
    help="Of this service; repeatable.",
)
@click.option("--handler", multiple=True, metavar="NAME", help="Of this handler; repeatable.")
@click.option("--key", multiple=True, metavar="KEY", help="Of this key; repeatable.")
@click.option("--status", multiple=True, type=click.Choice(STATUSES), help="With this status.")
@click.option("--all", "everything", is_flag=True, help="Completed ones too.")
@click.option(
    "--completion-result", type=click.Choice(["success", "failure"]), help="Completed like this."
)
@click.option(
    "--deployment",
    multiple=True,
    metavar="ID",
    shell_complete=completing.deployments,
    help="On this deployment; repeatable.",
)
@click.option("--virtual-objects-only", is_flag=True, help="Of virtual objects.")
@click.option("--zombie", is_flag=True, help="Bound to deployments that were removed.")
@click.option("--oldest-first", is_flag=True, help="The oldest first, not the newest.")
@click.option(
    "--limit", type=click.IntRange(1), default=100, show_default=True, help="Most to show."
)
@viewed
@with_session
def list_invocations(
    session: Session, *, view: View, limit: int, oldest_first: bool, **filters: Any
) -> None:
    """List invocations, those that have not ended unless asked otherwise."""
    wanted = conditions(**filters)
    order = f"created_at {'ASC' if oldest_first else 'DESC'}, id"

    def load() -> list[Row]:
        rows = session.admin.query(
            select(COLUMNS, "sys_invocation", wanted, order=order, limit=limit)
        )
        if len(rows) == limit:
            _tell_how_many(session, wanted, limit)
        return rows

    def render(rows: list[Row]) -> RenderableType:
        if not rows:
            return plain("no invocations; --all shows completed ones too", "dim")
        return _wide_table(session, rows) if view.wide else _table(session, rows)

    session.show(view, load, render)


def conditions(
    *,
    service: tuple[str, ...],
    handler: tuple[str, ...],
    key: tuple[str, ...],
    status: tuple[str, ...],
    everything: bool,
    completion_result: str | None,
    deployment: tuple[str, ...],
    virtual_objects_only: bool,
    zombie: bool,
) -> list[str]:
    """Write what was asked for as SQL conditions, all of which must hold."""
    found = [
        is_in(column, texts)
        for column, texts in (
            ("target_service_name", service),
            ("target_handler_name", handler),
            ("target_service_key", key),
            ("status", status),
        )
        if texts
    ]
    if deployment:
        pinned, last = (
            is_in(column, deployment)
            for column in ("pinned_deployment_id", "last_attempt_deployment_id")
        )
        found.append(f"({pinned} OR {last})")
    if virtual_objects_only:
        found.append("target_service_ty = 'virtual_object'")
    if zombie:
        found.append(
            "pinned_deployment_id IS NOT NULL AND "
            "pinned_deployment_id NOT IN (SELECT id FROM sys_deployment)"
        )
    if completion_result is not None:
        found.append(f"completion_result = {literal(completion_result)}")
    elif not status and not everything:
        found.append("status != 'completed'")
    return found


def _table(session: Session, rows: list[Row]) -> RenderableType:
    times = session.times
    return session.output.table(
        ["ID", "TARGET", "STATUS", "AGE", "DETAIL"],
        [
            (
                row["id"],
                row["target"],
                status_text(row["status"]),
                times.age(row["created_at"]),
                outcome_text(row, times),
            )
            for row in rows
        ],
    )


def _wide_table(session: Session, rows: list[Row]) -> RenderableType:
    times = session.times
    headers = ["ID", "TARGET", "STATUS", "CREATED", "MODIFIED", "ENTRIES", "DEPLOYMENT"]
    return session.output.table(
        [*headers, "SDK", "INVOKED BY", "IDEMPOTENCY KEY", "DETAIL"],
        [
            (
                row["id"],
                row["target"],
                status_text(row["status"]),
                times.age(row["created_at"]),
                times.age(row["modified_at"]),
                row.get("journal_size"),
                row.get("pinned_deployment_id", row.get("last_attempt_deployment_id")),
                row.get("last_attempt_server"),
                row.get("invoked_by_target", row.get("invoked_by")),
                row.get("idempotency_key"),
                outcome_text(row, times),
            )
            for row in rows
        ],
    )


def _tell_how_many(session: Session, wanted: list[str], limit: int) -> None:
    counted = session.admin.query(select(["COUNT(1) AS found"], "sys_invocation", wanted))
    found = counted[0]["found"]
    if found > limit:
        session.output.note(f"showing {limit} of {found}; --limit shows more")
