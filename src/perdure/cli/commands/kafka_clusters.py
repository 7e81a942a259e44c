"""``perdure kafka-clusters``."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click
from rich.console import Group, RenderableType

from perdure.cli import completing
from perdure.cli.admin_api import Row, path
from perdure.cli.errors import UsageError
from perdure.cli.groups import CommandGroup
from perdure.cli.output import plain
from perdure.cli.properties import PROPERTIES_FILE, edit_properties, pairs, read_properties
from perdure.cli.session import Session, with_session
from perdure.cli.views import View, output_option, viewed

#: What servers show instead of secrets.
_REDACTED: Final = "***"
_TEMPLATE: Final = "# Options of librdkafka, one a line.\nbootstrap.servers=\n"

kafka_clusters = CommandGroup(
    "kafka-clusters",
    aliases={"ls": "list", "get": "describe", "rm": "delete"},
    help="Show and change the Kafka clusters that subscriptions name.",
)

_from_file = click.option(
    "-f",
    "--from-file",
    type=PROPERTIES_FILE,
    metavar="FILE",
    help="Properties, one a line; or .toml with [properties]; - reads standard input.",
)


@kafka_clusters.command("list")
@viewed
@with_session
def list_clusters(session: Session, *, view: View) -> None:
    """List Kafka clusters by name."""

    def load() -> list[Row]:
        found: list[Row] = session.admin.get("/kafka-clusters")["clusters"]
        return sorted(found, key=lambda cluster: str(cluster["name"]))

    def render(clusters: list[Row]) -> RenderableType:
        rows = [
            (
                cluster["name"],
                _brokers(cluster["properties"]),
                session.times.age(cluster.get("created_at")),
            )
            for cluster in clusters
        ]
        return session.output.table(["NAME", "BROKERS", "CREATED"], rows)

    session.show(view, load, render)


@kafka_clusters.command("describe")
@click.argument("name", shell_complete=completing.clusters)
@viewed
@with_session
def describe(session: Session, name: str, *, view: View) -> None:
    """Show one cluster with its subscriptions; secrets are left out."""

    def load() -> Row:
        cluster: Row = session.admin.get(path("kafka-clusters", name), include_subscriptions="true")
        return cluster

    def render(cluster: Row) -> RenderableType:
        rows = [(row["id"], row["source"], row["sink"]) for row in cluster["subscriptions"]]
        subscriptions = session.output.table(["SUBSCRIPTION", "SOURCE", "SINK"], rows)
        return Group(_details(session, cluster), plain(""), subscriptions)

    session.show(view, load, render)


@kafka_clusters.command("create")
@click.argument("name")
@click.argument("properties", metavar="[KEY=VALUE]...", nargs=-1)
@_from_file
@click.option("--edit", "in_editor", is_flag=True, help="Write properties in an editor.")
@output_option
@with_session
def create(
    session: Session,
    name: str,
    properties: tuple[str, ...],
    *,
    from_file: Path | None,
    in_editor: bool,
    as_json: bool,
) -> None:
    """Add a cluster; bootstrap.servers says where its brokers are."""
    chosen = _read(session, from_file) or {}
    chosen |= pairs(properties, "properties")
    if in_editor:
        chosen = edit_properties(session.surroundings, chosen, _TEMPLATE)
    if not chosen:
        raise UsageError("say where the brokers are: bootstrap.servers=host:9092")
    body = {"name": name, "properties": chosen}
    created = session.admin.send("POST", "/kafka-clusters", body).body
    _told(session, created, f"created {name}", as_json=as_json)


@kafka_clusters.command("edit")
@click.argument("name", shell_complete=completing.clusters)
@output_option
@with_session
def edit_cluster(session: Session, name: str, *, as_json: bool) -> None:
    """Change the properties of a cluster in an editor; secrets left as *** stay as they are."""
    before = _properties(session, name)
    after = edit_properties(session.surroundings, before)
    _change(session, name, before, after, as_json=as_json)


@kafka_clusters.command("patch")
@click.argument("name", shell_complete=completing.clusters)
@click.option("--set", "assignments", metavar="KEY=VALUE", multiple=True, help="Set; repeatable.")
@click.option("--unset", "removals", metavar="KEY", multiple=True, help="Remove; repeatable.")
@_from_file
@output_option
@with_session
def patch(
    session: Session,
    name: str,
    *,
    assignments: tuple[str, ...],
    removals: tuple[str, ...],
    from_file: Path | None,
    as_json: bool,
) -> None:
    """Change some properties of a cluster; the others, secrets too, stay as they are.

    With a file, its properties take the place of all there are, before some are changed.
    """
    before = _properties(session, name)
    base = _read(session, from_file)
    if base is None:
        base = before
    missing = [key for key in removals if key not in base]
    if missing:
        raise UsageError(f"{name} has no {', '.join(missing)}; nothing was changed")
    kept = {key: value for key, value in base.items() if key not in removals}
    after = kept | pairs(assignments, "--set")
    _change(session, name, before, after, as_json=as_json)


@kafka_clusters.command("delete")
@click.argument("name", shell_complete=completing.clusters)
@click.option("--force", is_flag=True, help="Even if subscriptions name it.")
@output_option
@with_session
def delete(session: Session, name: str, *, force: bool, as_json: bool) -> None:
    """Remove a cluster."""
    session.output.note(_details(session, session.admin.get(path("kafka-clusters", name))))
    session.confirm(f"Do you want to remove the Kafka cluster {name}?")
    parameters = {"force": "true"} if force else {}
    session.admin.send("DELETE", path("kafka-clusters", name), **parameters)
    if as_json:
        session.output.json({"name": name, "outcome": "deleted"})
    session.output.done(f"removed {name}")


def _properties(session: Session, name: str) -> dict[str, str]:
    properties: dict[str, str] = session.admin.get(path("kafka-clusters", name))["properties"]
    return properties


def _read(session: Session, from_file: Path | None) -> dict[str, str] | None:
    if from_file is None:
        return None
    return read_properties(session.surroundings, from_file, "properties")


def _brokers(properties: Row) -> object:
    return properties.get("bootstrap.servers", properties.get("metadata.broker.list"))


def _change(session: Session, name: str, before: Row, after: Row, *, as_json: bool) -> None:
    changed = sorted(
        key for key in before.keys() | after.keys() if before.get(key) != after.get(key)
    )
    if not changed:
        session.output.note("nothing was changed")
        return
    if _REDACTED in after.values():
        session.output.note("secrets go back as ***, which a Perdure server takes for unchanged")
    # Values may be secrets: the question names the keys alone.
    session.confirm(f"Do you want to change {', '.join(changed)} of {name}?")
    body = {"properties": after}
    answer = session.admin.send("PATCH", path("kafka-clusters", name), body).body
    _told(session, answer, f"changed {name}", as_json=as_json)


def _told(session: Session, cluster: Row, said: str, *, as_json: bool) -> None:
    if as_json:
        session.output.json(cluster)
    session.output.done(said)


def _details(session: Session, cluster: Row) -> RenderableType:
    created = session.times.moment(cluster.get("created_at"))
    properties = sorted(cluster["properties"].items())
    return session.output.details([("Name", cluster["name"]), ("Created", created), *properties])
