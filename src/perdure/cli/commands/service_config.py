"""``perdure services config``."""

from __future__ import annotations

import json
from typing import Any, Final

import click

from perdure.cli import completing
from perdure.cli.admin_api import Row, path
from perdure.cli.editing import edit
from perdure.cli.errors import UsageError
from perdure.cli.groups import CommandGroup
from perdure.cli.session import Session, with_session
from perdure.cli.views import View, output_option, viewed

#: What can be changed, with what it means.
SETTINGS: Final = {
    "public": "Whether the ingress serves it.",
    "idempotency_retention": "How long results of requests with an idempotency key are kept.",
    "workflow_completion_retention": "How long the result of a workflow is kept.",
    "journal_retention": "How long journals of completed invocations are kept.",
    "inactivity_timeout": "How long a quiet attempt stays open before it is suspended.",
    "abort_timeout": "How long it then has to do so before it is cut off.",
}

config = CommandGroup("config", help="Show and change the settings of a service.")


@config.command("view")
@click.argument("service", shell_complete=completing.services)
@viewed
@with_session
def view_config(session: Session, service: str, *, view: View) -> None:
    """Show the settings of a service that are in force."""

    def load() -> Row:
        return _settings(session.admin.get(path("services", service)))

    def render(settings: Row) -> Any:
        rows = [(name, _text(value), SETTINGS[name]) for name, value in settings.items()]
        return session.output.table(["SETTING", "VALUE", "MEANING"], rows)

    session.show(view, load, render)


@config.command("edit")
@click.argument("service", shell_complete=completing.services)
@output_option
@with_session
def edit_config(session: Session, service: str, *, as_json: bool) -> None:
    """Change the settings of a service in an editor."""
    before = _settings(session.admin.get(path("services", service)))
    text = edit(session.surroundings, json.dumps(before, indent=2) + "\n", ".json")
    try:
        after = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"what was written is no JSON: {error}; nothing was changed") from error
    if not isinstance(after, dict) or not after.keys() <= before.keys():
        raise UsageError(f"write an object with {', '.join(before)}; nothing was changed")
    changed = {name: value for name, value in after.items() if value != before[name]}
    _change(session, service, changed, as_json=as_json)


@config.command("patch")
@click.argument("service", shell_complete=completing.services)
@click.option("--public", type=bool, help=SETTINGS["public"])
@click.option("--idempotency-retention", metavar="DURATION", help=SETTINGS["idempotency_retention"])
@click.option(
    "--workflow-completion-retention",
    metavar="DURATION",
    help=SETTINGS["workflow_completion_retention"],
)
@click.option("--journal-retention", metavar="DURATION", help=SETTINGS["journal_retention"])
@click.option("--inactivity-timeout", metavar="DURATION", help=SETTINGS["inactivity_timeout"])
@click.option("--abort-timeout", metavar="DURATION", help=SETTINGS["abort_timeout"])
@output_option
@with_session
def patch_config(session: Session, service: str, *, as_json: bool, **settings: Any) -> None:
    """Change settings of a service, until its next revision.

    DURATION is such as 30s, 1h 30m or 7d.
    """
    changed = {name: value for name, value in settings.items() if value is not None}
    if not changed:
        raise UsageError("say what to change, such as --journal-retention 7d")
    _change(session, service, changed, as_json=as_json)


def _settings(service: Row) -> Row:
    return {name: service[name] for name in SETTINGS if service.get(name) is not None}


def _text(value: object) -> object:
    return ("yes" if value else "no") if isinstance(value, bool) else value


def _change(session: Session, service: str, changed: Row, *, as_json: bool) -> None:
    if not changed:
        session.output.note("nothing was changed")
        return
    told = ", ".join(f"{name} = {_text(value)}" for name, value in changed.items())
    session.confirm(f"Do you want to change {service}: {told}?")
    after = session.admin.send("PATCH", path("services", service), changed).body
    if as_json:
        session.output.json(_settings(after))
    session.output.done(f"changed {service}")
