"""``perdure deployments register``: what would change is shown before it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from perdure.cli.admin_api import AdminApi, Answer, ApiError, Row, path
from perdure.cli.errors import UsageError
from perdure.cli.groups import AdminCommand
from perdure.cli.output import counted, plain
from perdure.cli.properties import pairs
from perdure.cli.session import Session, with_session
from perdure.cli.views import output_option

_ELSEWHERE: Final = "Understood by other servers only."
_NO_GOOGLE: Final = (
    "Perdure asks Google for no identity tokens. Let a proxy beside the server add them, and "
    "register its address; or let the service accept a fixed header, and register it with "
    "--extra-header NAME=VALUE"
)
_NO_TUNNEL: Final = (
    "tunnels belong to Restate Cloud. Register an address that the server reaches by itself: over "
    "a VPN, through a reverse proxy, or by `ssh -R 9080:localhost:9080` to the server's machine"
)


@click.command(cls=AdminCommand)
@click.argument("deployment", metavar="URL|ARN")
@click.option("--force", is_flag=True, help="Discover a known address anew, and replace.")
@click.option("--breaking", is_flag=True, help="Accept changes that callers may notice.")
@click.option("--use-http1.1", "use_http_11", is_flag=True, help="Discover over HTTP/1.1.")
@click.option(
    "--extra-header",
    "headers",
    multiple=True,
    metavar="NAME=VALUE",
    help="Sent with each request to the deployment; repeatable.",
)
@click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="Kept with it; repeatable.")
@click.option("--assume-role-arn", metavar="ARN", help="Role to call a Lambda function with.")
@click.option("--gcp-id-token", is_flag=True, help=_ELSEWHERE)
@click.option("--gcp-impersonate-service-account", metavar="EMAIL", help=_ELSEWHERE)
@click.option("--gcp-audience", metavar="TEXT", help=_ELSEWHERE)
@click.option("--tunnel-name", metavar="NAME", help=_ELSEWHERE)
@click.option("--dry-run", is_flag=True, help="Show what would change, and leave.")
@output_option
@with_session
def register(
    session: Session,
    deployment: str,
    *,
    gcp_id_token: bool,
    gcp_impersonate_service_account: str | None,
    gcp_audience: str | None,
    tunnel_name: str | None,
    dry_run: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Discover the services at an address, and register them.

    URL may leave out http://, and localhost before a port: 9080.
    """
    if gcp_id_token or gcp_impersonate_service_account or gcp_audience:
        raise UsageError(_NO_GOOGLE)
    if tunnel_name is not None:
        raise UsageError(_NO_TUNNEL)
    body = request_body(deployment, **options)
    planned = session.admin.send("POST", "/deployments", {**body, "dry_run": True})
    if planned.status == 200 and not body["force"]:
        _tell_known(session, planned.body, as_json=as_json)
        return
    changes = find_changes(session.admin, planned.body)
    preview = session.output.table(
        ["SERVICE", "TYPE", "REVISION", "CHANGE"],
        [(row["name"], row["ty"], row["revision"], row["change"]) for row in changes],
    )
    if not as_json:
        session.output.note(preview)
    if dry_run:
        if as_json:
            session.output.json({"outcome": "planned", "services": changes})
        return
    session.confirm(f"Do you want to register {counted(len(changes), 'service')}?")
    _report(
        session, session.admin.send("POST", "/deployments", {**body, "dry_run": False}), as_json
    )


def request_body(
    deployment: str,
    *,
    force: bool,
    breaking: bool,
    use_http_11: bool,
    headers: tuple[str, ...],
    metadata: tuple[str, ...],
    assume_role_arn: str | None,
) -> dict[str, Any]:
    """Write the request to register what was named on the line.

    Raises:
        UsageError: an option does not fit the address, or is no pair.
    """
    body: dict[str, Any] = {"force": force, "breaking": breaking}
    if headers:
        body["additional_headers"] = pairs(headers, "--extra-header")
    if metadata:
        body["metadata"] = pairs(metadata, "--metadata")
    if deployment.startswith("arn:"):
        if use_http_11:
            raise UsageError("--use-http1.1 is for addresses; a Lambda function has none")
        role = {} if assume_role_arn is None else {"assume_role_arn": assume_role_arn}
        return {"arn": deployment, **role, **body}
    if assume_role_arn is not None:
        raise UsageError("--assume-role-arn is for Lambda functions, named by their ARN")
    return {"uri": full_address(deployment), "use_http_11": use_http_11, **body}


def full_address(text: str) -> str:
    """Complete an address that leaves out what is clear.

    >>> full_address("9080")
    'http://localhost:9080'
    """
    if "://" in text:
        return text
    return f"http://localhost:{text}" if text.isdigit() else f"http://{text}"


def find_changes(admin: AdminApi, planned: Row) -> list[Row]:
    """Compare planned services with those that are there."""
    changes = []
    for service in sorted(planned["services"], key=lambda service: str(service["name"])):
        known = _known(admin, service["name"])
        change = "new" if known is None else _difference(known, service)
        row = {"name": service["name"], "ty": service["ty"], "revision": service["revision"]}
        changes.append({**row, "change": change})
    return changes


def _known(admin: AdminApi, name: str) -> Row | None:
    try:
        row: Row = admin.get(path("services", name))
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    return row


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    old, new = ({handler["name"] for handler in service["handlers"]} for service in (before, after))
    parts = [f"+{name}" for name in sorted(new - old)] + [f"-{name}" for name in sorted(old - new)]
    if before["ty"] != after["ty"]:
        parts.insert(0, f"{before['ty']} becomes {after['ty']}")
    handlers = ", ".join(parts) or "same handlers"
    return f"revision {before['revision']} to {after['revision']}: {handlers}"


def _tell_known(session: Session, known: Row, *, as_json: bool) -> None:
    if as_json:
        session.output.json({"outcome": "unchanged", "id": known["id"]})
    session.output.note(
        plain(
            f"this address is registered as {known['id']}; nothing was changed. --force discovers "
            "its services anew",
            "yellow",
        )
    )


def _report(session: Session, answer: Answer, as_json: bool) -> None:
    registered = answer.body
    if as_json:
        services = [
            {"name": service["name"], "revision": service["revision"]}
            for service in registered["services"]
        ]
        session.output.json({"outcome": "registered", "id": registered["id"], "services": services})
    else:
        session.output.text(registered["id"])
    session.output.done("registered")
