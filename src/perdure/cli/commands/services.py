"""``perdure services``."""

from __future__ import annotations

from typing import Final

import click
from rich.console import Group, RenderableType

from perdure.cli import completing
from perdure.cli.admin_api import Row, path
from perdure.cli.commands.service_config import config
from perdure.cli.commands.service_status import status
from perdure.cli.groups import CommandGroup
from perdure.cli.output import plain
from perdure.cli.session import Session, with_session
from perdure.cli.views import View, viewed

_FLAVOURS: Final = {"Service": "", "VirtualObject": "virtual object", "Workflow": "workflow"}

services = CommandGroup(
    "services",
    aliases={"ls": "list", "get": "describe"},
    help="Show services, and change their settings.",
)


@services.command("list")
@click.option("--public-only", is_flag=True, help="Those that the ingress serves.")
@viewed
@with_session
def list_services(session: Session, *, public_only: bool, view: View) -> None:
    """List services by name."""

    def load() -> list[Row]:
        found: list[Row] = session.admin.get("/services")["services"]
        found.sort(key=lambda service: str(service["name"]))
        return [service for service in found if service["public"] or not public_only]

    def render(rows: list[Row]) -> RenderableType:
        headers = ["NAME", "REVISION", "FLAVOR", "PUBLIC", "DEPLOYMENT"]
        if view.wide:
            headers += ["HANDLERS", "INACTIVITY", "ABORT", "JOURNAL KEPT"]
        return session.output.table(headers, [_cells(row, view) for row in rows])

    session.show(view, load, render)


@services.command("describe")
@click.argument("name", shell_complete=completing.services)
@viewed
@with_session
def describe(session: Session, name: str, *, view: View) -> None:
    """Show one service with its handlers."""

    def load() -> Row:
        service: Row = session.admin.get(path("services", name))
        deployment = session.admin.get(path("deployments", service["deployment_id"]))
        deployment.pop("services", None)
        service["handlers"].sort(key=lambda handler: str(handler["name"]))
        return {**service, "deployment": deployment}

    session.show(view, load, lambda service: _show(session, service))


services.add_command(status)
services.add_command(config)


def _cells(service: Row, view: View) -> list[object]:
    cells: list[object] = [
        service["name"],
        service["revision"],
        _FLAVOURS.get(service["ty"], service["ty"]),
        "public" if service["public"] else plain("private", "yellow"),
        service["deployment_id"],
    ]
    if view.wide:
        handlers = ", ".join(sorted(handler["name"] for handler in service["handlers"]))
        kept = service.get("journal_retention")
        cells += [handlers, service.get("inactivity_timeout"), service.get("abort_timeout"), kept]
    return cells


def _show(session: Session, service: Row) -> RenderableType:
    deployment = service["deployment"]
    details = session.output.details(
        [
            ("Name", service["name"]),
            ("Type", service["ty"]),
            ("Revision", service["revision"]),
            ("Public", "yes" if service["public"] else "no"),
            ("Deployment", service["deployment_id"]),
            ("Address", deployment.get("uri", deployment.get("arn"))),
            ("Transport", deployment.get("http_version")),
            ("SDK", deployment.get("sdk_version")),
            ("Created", session.times.moment(deployment["created_at"])),
            ("About", service.get("documentation")),
        ]
    )
    handlers = session.output.table(
        ["HANDLER", "KIND", "INPUT", "OUTPUT", "ABOUT"],
        [
            (
                handler["name"],
                handler.get("ty"),
                handler.get("input_description"),
                handler.get("output_description"),
                handler.get("documentation"),
            )
            for handler in service["handlers"]
        ],
    )
    return Group(details, plain(""), handlers)
