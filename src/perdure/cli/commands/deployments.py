"""``perdure deployments``."""

from __future__ import annotations

from typing import Any, Final

import click
from rich.console import Group, RenderableType

from perdure.cli import completing
from perdure.cli.admin_api import AdminApi, Row, path
from perdure.cli.commands.registering import register
from perdure.cli.errors import RefusedError
from perdure.cli.groups import CommandGroup
from perdure.cli.output import counted, plain
from perdure.cli.session import Session, with_session
from perdure.cli.sql_text import literal, select
from perdure.cli.views import View, output_option, viewed

#: Open invocations by deployment, in one question for all of them.
_OPEN_COUNTS: Final = select(
    ["pinned_deployment_id AS id", "COUNT(1) AS open"],
    "sys_invocation_status",
    ["status != 'completed'", "pinned_deployment_id IS NOT NULL"],
    group="pinned_deployment_id",
)

#: A handler, as rows name it.
_HANDLER: Final = ("target_service_name AS service", "target_handler_name AS handler")

deployments = CommandGroup(
    "deployments",
    aliases={"ls": "list", "get": "describe", "discover": "register", "add": "register"}
    | {"rm": "remove"},
    help="Show and change deployments.",
)


@deployments.command("list")
@viewed
@with_session
def list_deployments(session: Session, *, view: View) -> None:
    """List deployments, the newest first.

    Active ones run the latest revision of a service; draining ones only finish what is bound to
    them; drained ones can be removed.
    """

    def load() -> list[Row]:
        latest = _latest(session.admin)
        counts = {row["id"]: row["open"] for row in session.admin.query(_OPEN_COUNTS)}
        found = session.admin.get("/deployments")["deployments"]
        found.sort(key=lambda deployment: deployment["created_at"], reverse=True)
        return [_with_status(row, latest, counts.get(row["id"], 0)) for row in found]

    def render(rows: list[Row]) -> RenderableType:
        headers = ["DEPLOYMENT", "TYPE", "STATUS", "OPEN", "ID", "CREATED"]
        if view.wide:
            headers += ["SDK", "PROTOCOL", "SERVICES"]
        return session.output.table(headers, [_cells(session, row, view) for row in rows])

    session.show(view, load, render)


@deployments.command("describe")
@click.argument("deployment_id", shell_complete=completing.deployments)
@viewed
@with_session
def describe(session: Session, deployment_id: str, *, view: View) -> None:
    """Show one deployment with its services, and with -o wide, what still runs on it."""

    def load() -> Row:
        row = session.admin.get(path("deployments", deployment_id))
        counts = session.admin.query(
            select(
                [*_HANDLER, "COUNT(1) AS open"],
                "sys_invocation_status",
                _still_open(deployment_id),
                group="target_service_name, target_handler_name",
                order="service, handler",
            )
        )
        total = sum(count["open"] for count in counts)
        return {**_with_status(row, _latest(session.admin), total), "open": counts}

    session.show(view, load, lambda row: _show(session, row, view))


@deployments.command("remove")
@click.argument("deployment_id", shell_complete=completing.deployments)
@click.option("--force", is_flag=True, help="Even if it is active, or has open invocations.")
@output_option
@with_session
def remove(session: Session, deployment_id: str, *, force: bool, as_json: bool) -> None:
    """Remove a deployment that nothing needs any longer."""
    row = session.admin.get(path("deployments", deployment_id))
    counts = session.admin.query(
        select(["COUNT(1) AS open"], "sys_invocation_status", _still_open(deployment_id))
    )
    row = _with_status(row, _latest(session.admin), counts[0]["open"])
    session.output.note(_summary(session, row))
    if row["status"] != "Drained" and not force:
        why = (
            f"it has {counted(row['open_invocations'], 'open invocation')}"
            if row["status"] == "Draining"
            else f"it runs the latest revision of {', '.join(row['latest_of'])}"
        )
        raise RefusedError(
            f"{deployment_id} is still needed: {why}. Register the services elsewhere and wait, "
            "or accept that invocations fail, with --force"
        )
    session.confirm(f"Do you want to remove {deployment_id}?")
    # Servers remove by force alone: whether it is still needed was looked up above.
    session.admin.send("DELETE", path("deployments", deployment_id), force="true")
    if as_json:
        session.output.json({"id": deployment_id, "outcome": "removed"})
    session.output.done(f"removed {deployment_id}")


deployments.add_command(register)


def _still_open(deployment_id: str) -> list[str]:
    return [f"pinned_deployment_id = {literal(deployment_id)}", "status != 'completed'"]


def _latest(admin: AdminApi) -> dict[str, list[str]]:
    """Give the services whose latest revision a deployment runs, by deployment."""
    latest: dict[str, list[str]] = {}
    for service in admin.get("/services")["services"]:
        latest.setdefault(service["deployment_id"], []).append(service["name"])
    return {deployment: sorted(names) for deployment, names in latest.items()}


def _with_status(row: Row, latest: dict[str, list[str]], count: int) -> Row:
    services = latest.get(row["id"], [])
    status = "Active" if services else "Draining" if count else "Drained"
    return {**row, "status": status, "latest_of": services, "open_invocations": count}


def _address(row: Row) -> str:
    return str(row.get("uri") or row.get("arn") or "")


def _type(row: Row) -> str:
    return "AWS Lambda" if "arn" in row else row.get("http_version", "HTTP")


def _status(row: Row) -> Any:
    styles = {"Active": "green", "Draining": "yellow", "Drained": "dim"}
    return plain(row["status"], styles[row["status"]])


def _protocols(row: Row) -> str:
    return f"{row.get('min_protocol_version')} to {row.get('max_protocol_version')}"


def _cells(session: Session, row: Row, view: View) -> list[object]:
    cells: list[object] = [
        _address(row),
        _type(row),
        _status(row),
        row["open_invocations"],
        row["id"],
        session.times.age(row["created_at"]),
    ]
    if view.wide:
        services = sorted(row["services"], key=lambda service: str(service["name"]))
        named = ", ".join(f"{service['name']} [{service['revision']}]" for service in services)
        cells += [row.get("sdk_version"), _protocols(row), named]
    return cells


def _summary(session: Session, row: Row) -> RenderableType:
    return session.output.details(
        [
            ("ID", row["id"]),
            ("Address", _address(row)),
            ("Transport", _type(row)),
            ("Protocol style", row.get("protocol_type")),
            ("Protocol", _protocols(row)),
            ("SDK", row.get("sdk_version")),
            ("Created", session.times.moment(row["created_at"])),
            ("Status", _status(row)),
            ("Latest of", ", ".join(row["latest_of"])),
            ("Open invocations", row["open_invocations"]),
            *((f"Metadata {key}", value) for key, value in (row.get("metadata") or {}).items()),
        ]
    )


def _show(session: Session, row: Row, view: View) -> RenderableType:
    services = sorted(row["services"], key=lambda service: str(service["name"]))
    table = session.output.table(
        ["SERVICE", "TYPE", "REVISION", "LATEST", "HANDLERS"],
        [
            (
                service["name"],
                service["ty"],
                service["revision"],
                "yes" if service["name"] in row["latest_of"] else "",
                ", ".join(sorted(handler["name"] for handler in service["handlers"])),
            )
            for service in services
        ],
    )
    parts: list[RenderableType] = [_summary(session, row), plain(""), table]
    if view.wide and row["open"]:
        counts = [(count["service"], count["handler"], count["open"]) for count in row["open"]]
        parts += [plain(""), session.output.table(["SERVICE", "HANDLER", "OPEN"], counts)]
    return Group(*parts)
