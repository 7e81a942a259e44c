"""``perdure rules``."""

from __future__ import annotations

from typing import Any, Final

import click
from rich.console import RenderableType

from perdure.cli import completing
from perdure.cli.admin_api import ApiError, Row
from perdure.cli.errors import RefusedError, UsageError
from perdure.cli.groups import CommandGroup
from perdure.cli.output import plain
from perdure.cli.session import Session, with_session
from perdure.cli.sql_text import literal, select
from perdure.cli.views import View, output_option, viewed

_COLUMNS: Final = (
    *("pattern", "concurrency", "description", "disabled", "version", "last_modified"),
)
_PATH: Final = "/limits/rules"
_CONCURRENCY_MAX: Final = 2**32 - 1
_UNLIMITED: Final = "unlimited"

rules = CommandGroup(
    "rules",
    aliases={"ls": "list", "get": "describe", "rm": "delete"},
    help="Show and change the rules that limit concurrency.",
)

_pattern = click.argument("pattern", shell_complete=completing.rules)


@rules.command("list")
@viewed
@with_session
def list_rules(session: Session, *, view: View) -> None:
    """List rules by pattern."""

    def load() -> list[Row]:
        return session.admin.query(select(_COLUMNS, "sys_rules", order="pattern"))

    def render(rows: list[Row]) -> RenderableType:
        if not rows:
            return plain("no rules; `perdure rules set` makes one", "dim")
        headers = ["PATTERN", "CONCURRENCY", "DISABLED"]
        if view.wide:
            headers += ["DESCRIPTION", "VERSION", "LAST MODIFIED"]
        return session.output.table(headers, [_cells(session, row, view) for row in rows])

    session.show(view, load, render)


@rules.command("describe")
@_pattern
@viewed
@with_session
def describe(session: Session, pattern: str, *, view: View) -> None:
    """Show one rule."""
    session.show(view, lambda: _existing(session, pattern), lambda row: _details(session, row))


@rules.command("set")
@_pattern
@click.option(
    "--concurrency",
    type=click.IntRange(1, _CONCURRENCY_MAX),
    help="How many may run at the same time.",
)
@click.option("--unlimited", is_flag=True, help="Set no limit.")
@click.option("--description", help="What the rule is for.")
@click.option("--disabled", is_flag=True, help="Keep a new rule out of force.")
@output_option
@with_session
def set_rule(
    session: Session,
    pattern: str,
    *,
    concurrency: int | None,
    unlimited: bool,
    description: str | None,
    disabled: bool,
    as_json: bool,
) -> None:
    """Make a rule, or change one: what is not said of it stays as it is.

    PATTERN is a scope and up to two levels of a limit key, each by name or as a star: *, tenant,
    tenant/*, tenant/*/orders.
    """
    if unlimited and concurrency is not None:
        raise UsageError("--concurrency and --unlimited contradict each other")
    before = _find(session, pattern)
    if before is not None and disabled:
        raise RefusedError(
            f"there is a rule {before['pattern']} already; `perdure rules disable` puts it out of "
            "force"
        )
    known = before or {"pattern": pattern, "disabled": disabled}
    limit = None if unlimited else concurrency or known.get("concurrency")
    text = known.get("description") if description is None else description
    after = known | {"concurrency": limit, "description": text}
    changed = _put(session, after)
    verb = "made" if before is None else "changed"
    unchanged = before is not None and all(before.get(key) == after[key] for key in after)
    said = f"{pattern} was so already" if unchanged else f"{verb} {pattern}"
    _told(session, changed, said, as_json=as_json)
    _tell_effect(session)


@rules.command("enable")
@_pattern
@output_option
@with_session
def enable(session: Session, pattern: str, *, as_json: bool) -> None:
    """Put a rule into force again."""
    _switch(session, pattern, disabled=False, as_json=as_json)
    _tell_effect(session)


@rules.command("disable")
@_pattern
@output_option
@with_session
def disable(session: Session, pattern: str, *, as_json: bool) -> None:
    """Put a rule out of force, and keep it."""
    _switch(session, pattern, disabled=True, as_json=as_json)


@rules.command("delete")
@_pattern
@output_option
@with_session
def delete(session: Session, pattern: str, *, as_json: bool) -> None:
    """Remove a rule."""
    row = _existing(session, pattern)
    session.output.note(_details(session, row))
    session.confirm(f"Do you want to remove the rule {row['pattern']}?")
    entry = {"pattern": row["pattern"], "expected_version": row["version"]}
    _send(session, "POST", f"{_PATH}/bulk-delete", entry)
    if as_json:
        session.output.json({"pattern": row["pattern"], "outcome": "deleted"})
    session.output.done(f"removed {row['pattern']}")


def _find(session: Session, pattern: str) -> Row | None:
    wanted = f"pattern = {literal(pattern.strip())}"
    rows = session.admin.query(select(_COLUMNS, "sys_rules", [wanted]))
    return rows[0] if rows else None


def _existing(session: Session, pattern: str) -> Row:
    row = _find(session, pattern)
    if row is None:
        raise RefusedError(
            f"there is no rule {pattern}; `perdure rules list` shows those there are"
        )
    return row


def _switch(session: Session, pattern: str, *, disabled: bool, as_json: bool) -> None:
    row = _existing(session, pattern)
    state = "disabled" if disabled else "enabled"
    already = row["disabled"] == disabled
    changed = _put(session, row | {"disabled": disabled})
    said = f"{row['pattern']} is {state} already" if already else f"{state} {row['pattern']}"
    _told(session, changed, said, as_json=as_json)


def _put(session: Session, row: Row) -> Row:
    """Write a rule in the place of the one that was read, or where there was none."""
    version = row.get("version")
    precondition: Row = (
        {"type": "does_not_exist"} if version is None else {"type": "matches", "version": version}
    )
    entry = {
        "pattern": row["pattern"],
        "limits": {"concurrency": row.get("concurrency")},
        "description": row.get("description"),
        "disabled": row["disabled"],
        "precondition": precondition,
    }
    written: Row = _send(session, "PUT", _PATH, entry)[0]
    return written


def _send(session: Session, method: str, path: str, entry: Row) -> Any:
    """Send one entry of a batch.

    Raises:
        RefusedError: the rule was changed since it was read.
    """
    try:
        return session.admin.send(method, path, [entry]).body
    except ApiError as error:
        if error.status != 409:
            raise
        raise RefusedError(
            f"{error}\nsomebody else changed the rule meanwhile; try again"
        ) from error


def _told(session: Session, rule: Row, said: str, *, as_json: bool) -> None:
    if as_json:
        session.output.json(rule)
    session.output.done(f"{said} (version {rule['version']})")


def _tell_effect(session: Session) -> None:
    """Say so if the server keeps rules without obeying them."""
    features = session.admin.get("/version").get("features") or {}
    if not features.get("vqueues"):
        session.output.note("flow control is off on this server: the rule is kept, and limits none")


def _limit(row: Row) -> object:
    return row.get("concurrency", _UNLIMITED)


def _disabled(row: Row) -> str:
    return "yes" if row["disabled"] else "no"


def _cells(session: Session, row: Row, view: View) -> list[object]:
    cells: list[object] = [row["pattern"], _limit(row), _disabled(row)]
    if view.wide:
        modified = session.times.age(row.get("last_modified"))
        cells += [row.get("description"), row["version"], modified]
    return cells


def _details(session: Session, row: Row) -> RenderableType:
    return session.output.details(
        [
            ("Pattern", row["pattern"]),
            ("Concurrency", _limit(row)),
            ("Description", row.get("description")),
            ("Disabled", _disabled(row)),
            ("Version", row["version"]),
            ("Last modified", session.times.moment(row.get("last_modified"))),
        ]
    )
