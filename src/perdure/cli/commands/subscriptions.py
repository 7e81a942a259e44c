"""``perdure subscriptions``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
from rich.console import RenderableType

from perdure.cli import completing
from perdure.cli.admin_api import Row, path
from perdure.cli.errors import UsageError
from perdure.cli.groups import CommandGroup
from perdure.cli.properties import PROPERTIES_FILE, edit_properties, pairs, read_properties
from perdure.cli.session import Session, with_session
from perdure.cli.views import View, output_option, viewed

#: What a subscription connects; all else of it is an option.
_ENDS: Final = ("source", "sink")

subscriptions = CommandGroup(
    "subscriptions",
    aliases={"ls": "list", "get": "describe", "rm": "delete"},
    help="Show and change subscriptions.",
)


@subscriptions.command("list")
@click.option("--source", help="From this source.")
@click.option("--sink", help="To this sink.")
@viewed
@with_session
def list_subscriptions(
    session: Session, *, source: str | None, sink: str | None, view: View
) -> None:
    """List subscriptions."""
    filters = {key: text for key, text in (("source", source), ("sink", sink)) if text is not None}

    def load() -> list[Row]:
        found: list[Row] = session.admin.get("/subscriptions", **filters)["subscriptions"]
        return sorted(found, key=lambda row: (row["source"], row["sink"], row["id"]))

    def render(rows: list[Row]) -> RenderableType:
        cells = [(row["id"], row["source"], row["sink"]) for row in rows]
        return session.output.table(["ID", "SOURCE", "SINK"], cells)

    session.show(view, load, render)


@subscriptions.command("describe")
@click.argument("subscription_id", metavar="ID", shell_complete=completing.subscriptions)
@viewed
@with_session
def describe(session: Session, subscription_id: str, *, view: View) -> None:
    """Show one subscription with its options."""

    def load() -> Row:
        row: Row = session.admin.get(path("subscriptions", subscription_id))
        return row

    session.show(view, load, lambda row: _details(session, row))


@subscriptions.command("create")
@click.argument("source", required=False)
@click.argument("sink", required=False)
@click.argument("options", metavar="[KEY=VALUE]...", nargs=-1)
@click.option(
    "-f",
    "--from-file",
    type=PROPERTIES_FILE,
    metavar="FILE",
    help="source, sink and options, one a line; or .toml with [options]; - reads standard input.",
)
@click.option("--edit", "in_editor", is_flag=True, help="Write them in an editor.")
@output_option
@with_session
def create(
    session: Session,
    source: str | None,
    sink: str | None,
    options: tuple[str, ...],
    *,
    from_file: Path | None,
    in_editor: bool,
    as_json: bool,
) -> None:
    """Subscribe a handler to a source.

    SOURCE is such as kafka://cluster/topic, SINK such as service://Counter/add.
    """
    chosen = {}
    if from_file is not None:
        chosen = read_properties(session.surroundings, from_file, "options", _ENDS)
    chosen |= pairs(options, "options")
    chosen |= {end: text for end, text in zip(_ENDS, (source, sink), strict=True) if text}
    if in_editor:
        ends = {end: chosen.get(end, "") for end in _ENDS}
        chosen = edit_properties(session.surroundings, ends | chosen)
    body = _subscription(chosen)
    session.output.note(_details(session, body))
    session.confirm("Do you want to create this subscription?")
    created = session.admin.send("POST", "/subscriptions", body).body
    if as_json:
        session.output.json(created)
    else:
        session.output.text(created["id"])
    session.output.done("created")


@subscriptions.command("delete")
@click.argument("subscription_id", metavar="ID", shell_complete=completing.subscriptions)
@output_option
@with_session
def delete(session: Session, subscription_id: str, *, as_json: bool) -> None:
    """Delete a subscription."""
    row = session.admin.get(path("subscriptions", subscription_id))
    session.output.note(_details(session, row))
    session.confirm("Do you want to delete this subscription?")
    session.admin.send("DELETE", path("subscriptions", subscription_id))
    if as_json:
        session.output.json({"id": subscription_id, "outcome": "deleted"})
    session.output.done(f"deleted {subscription_id}")


def _subscription(chosen: dict[str, str]) -> Row:
    """Tell ends from options."""
    missing = [end for end in _ENDS if not chosen.get(end)]
    if missing:
        raise UsageError(
            f"say {' and '.join(missing)}: kafka://cluster/topic service://Counter/add, or the "
            "same as source=... and sink=... with --from-file or --edit"
        )
    options = {key: value for key, value in chosen.items() if key not in _ENDS}
    return {"source": chosen["source"], "sink": chosen["sink"], "options": options}


def _details(session: Session, row: Row) -> RenderableType:
    options = sorted((row.get("options") or {}).items())
    named = [("ID", row.get("id")), ("Source", row["source"]), ("Sink", row["sink"])]
    return session.output.details([*named, *options])
