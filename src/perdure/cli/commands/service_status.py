"""``perdure services status``: what goes on in services."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Group, RenderableType

from perdure.cli import completing
from perdure.cli.admin_api import Row, path
from perdure.cli.commands.invocation_list import STATUSES
from perdure.cli.groups import AdminCommand
from perdure.cli.invocation_rows import COLUMNS, outcome_text
from perdure.cli.output import plain, status_text
from perdure.cli.session import Session, with_session
from perdure.cli.sql_text import is_in, select
from perdure.cli.times import parse_time, span
from perdure.cli.views import View, viewed


@click.command(cls=AdminCommand)
@click.argument("service", required=False, shell_complete=completing.services)
@click.option(
    "--locked-keys-limit",
    type=click.IntRange(0),
    default=10,
    show_default=True,
    metavar="N",
    help="Most locked keys to show.",
)
@click.option(
    "--locked-key-held-threshold-second",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="SECONDS",
    help="Show keys that are locked for at least so long.",
)
@click.option(
    "--sample-invocations-limit",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    metavar="N",
    help="Most recent invocations to show of one service.",
)
@viewed
@with_session
def status(
    session: Session,
    service: str | None,
    *,
    locked_keys_limit: int,
    locked_key_held_threshold_second: int,
    sample_invocations_limit: int,
    view: View,
) -> None:
    """Show how many invocations are where, which keys are locked, and what came last."""

    def load() -> Row:
        names = _names(session, service)
        document = {"handlers": _counts(session, names), "locked_keys": _locks(session, names)}
        held = locked_key_held_threshold_second
        now = session.surroundings.now()
        document["locked_keys"] = [
            lock for lock in document["locked_keys"] if now - parse_time(lock["since"]) >= held
        ][:locked_keys_limit]
        if service is not None and sample_invocations_limit:
            document["recent"] = _recent(session, service, sample_invocations_limit)
        return document

    session.show(view, load, lambda document: _show(session, document))


def _names(session: Session, service: str | None) -> list[str]:
    if service is not None:
        return [session.admin.get(path("services", service))["name"]]
    return sorted(row["name"] for row in session.admin.get("/services")["services"])


def _counts(session: Session, names: list[str]) -> list[Row]:
    """Count open invocations by handler and status; handlers without any are left out."""
    if not names:
        return []
    rows = session.admin.query(
        select(
            (
                *("target_service_name AS service", "target_handler_name AS handler", "status"),
                *("COUNT(1) AS found", "MIN(created_at) AS oldest_at"),
            ),
            "sys_invocation",
            [is_in("target_service_name", names), "status != 'completed'"],
            group="target_service_name, target_handler_name, status",
        )
    )
    handlers: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = row["service"], row["handler"]
        summary: dict[str, Any] = {"service": key[0], "handler": key[1], "counts": {}}
        handler = handlers.setdefault(key, {**summary, "oldest_at": row["oldest_at"]})
        handler["counts"][row["status"]] = row["found"]
        handler["oldest_at"] = min(handler["oldest_at"], row["oldest_at"])
    return [handlers[key] for key in sorted(handlers)]


def _locks(session: Session, names: list[str]) -> list[Row]:
    """Give the keys that are locked, those with the longest queues first.

    Only what holds a key counts: neither what has ended, nor what shares it.
    """
    if not names:
        return []
    queues = session.admin.query(
        select(
            ["service_name", "service_key", "COUNT(1) AS waiting"],
            "sys_inbox",
            [is_in("service_name", names)],
            group="service_name, service_key",
        )
    )
    waiting = {(row["service_name"], row["service_key"]): row["waiting"] for row in queues}
    holders = session.admin.query(
        select(
            (
                *("k.service_name", "k.service_key", "i.id", "i.target_handler_name AS handler"),
                *("i.status", "COALESCE(i.running_at, i.created_at) AS since", "i.last_failure"),
            ),
            "sys_keyed_service_status k JOIN sys_invocation i ON i.id = k.invocation_id",
            [is_in("k.service_name", names)],
        )
    )
    locks = [
        {**row, "waiting": waiting.get((row["service_name"], row["service_key"]), 0)}
        for row in holders
    ]
    locks.sort(key=lambda row: (-row["waiting"], row["since"]))
    return locks


def _recent(session: Session, service: str, limit: int) -> list[Row]:
    return session.admin.query(
        select(
            COLUMNS,
            "sys_invocation",
            [is_in("target_service_name", [service])],
            order="created_at DESC, id",
            limit=limit,
        )
    )


def _show(session: Session, document: Row) -> RenderableType:
    parts: list[RenderableType] = [_handlers(session, document["handlers"])]
    if document["locked_keys"]:
        parts += [plain("\nLocked keys", "bold"), _locked(session, document["locked_keys"])]
    if document.get("recent"):
        parts += [plain("\nRecent invocations", "bold"), _samples(session, document["recent"])]
    return Group(*parts)


def _handlers(session: Session, rows: list[Row]) -> RenderableType:
    if not rows:
        return plain("no invocation is open", "dim")
    times = session.times
    # Which statuses matter is seen from the columns: one that nobody is in is left out.
    return session.output.table(
        ["SERVICE", "HANDLER", *(name.upper() for name in STATUSES), "OLDEST"],
        [
            (
                row["service"],
                row["handler"],
                *(row["counts"].get(name) for name in STATUSES),
                times.age(row["oldest_at"]),
            )
            for row in rows
        ],
    )


def _locked(session: Session, rows: list[Row]) -> RenderableType:
    now = session.surroundings.now()
    return session.output.table(
        ["OBJECT", "QUEUED", "HELD BY", "HANDLER", "STATUS", "FOR", "LAST FAILURE"],
        [
            (
                f"{row['service_name']}/{row['service_key']}",
                row["waiting"],
                row["id"],
                row["handler"],
                status_text(row["status"]),
                span(now - parse_time(row["since"])),
                (row.get("last_failure") or "").partition("\n")[0],
            )
            for row in rows
        ],
    )


def _samples(session: Session, rows: list[Row]) -> RenderableType:
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
