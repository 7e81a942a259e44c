"""``perdure whoami``."""

from __future__ import annotations

from typing import Any

import click
from rich.console import RenderableType

from perdure.cli.about import own_version
from perdure.cli.admin_api import Row
from perdure.cli.environments import config_file
from perdure.cli.errors import CommandError
from perdure.cli.groups import AdminCommand
from perdure.cli.output import plain
from perdure.cli.session import Session, with_session
from perdure.cli.views import View, viewed


@click.command(cls=AdminCommand)
@viewed
@with_session
def whoami(session: Session, *, view: View) -> None:
    """Show which server is meant, and how it is."""
    problem: CommandError | None = None

    def load() -> Row:
        nonlocal problem
        target = session.target
        document: dict[str, Any] = {
            "client_version": own_version(),
            "environment": target.environment,
            "config_file": str(config_file(session.surroundings)),
            "admin_url": target.admin_url,
            "ingress_url": target.ingress_url,
            "authenticates": target.bearer_token is not None,
        }
        try:
            session.admin.get("/health")
            problem = None
            return {**document, "healthy": True, "server": session.admin.get("/version")}
        except CommandError as error:
            problem = error
            return {**document, "healthy": False, "server": {}}

    session.show(view, load, lambda document: _show(session, document))
    if problem is not None:
        raise problem


def _show(session: Session, document: Row) -> RenderableType:
    server = document["server"]
    oldest, newest = (server.get(f"{end}_admin_api_version") for end in ("min", "max"))
    health = plain("healthy", "green") if document["healthy"] else plain("no answer", "red")
    return session.output.details(
        [
            ("perdure", document["client_version"]),
            ("Environment", document["environment"]),
            ("Configuration", document["config_file"]),
            ("Admin API", document["admin_url"]),
            ("Ingress", document["ingress_url"] or server.get("ingress_endpoint")),
            ("Token", "given" if document["authenticates"] else "none"),
            ("Server", health),
            ("Server version", server.get("version")),
            ("Admin API versions", f"{oldest} to {newest}" if oldest else None),
        ]
    )
