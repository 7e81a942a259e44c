"""``perdure config``: the servers that a user works with."""

from __future__ import annotations

from typing import Final

import click
from rich.console import RenderableType

from perdure.cli import completing
from perdure.cli.admin_api import Row
from perdure.cli.editing import edit_file
from perdure.cli.environments import (
    ADMIN_URL_DEFAULT,
    LOCAL,
    check_environment,
    config_file,
    config_home,
    current_environment,
    read_environments,
)
from perdure.cli.groups import CommandGroup
from perdure.cli.session import Session, with_session
from perdure.cli.views import View, output_option, viewed

_TEMPLATE: Final = f"""\
# A table for each server you work with; `perdure config use-environment NAME` chooses one.
[{LOCAL}]
admin_base_url = "{ADMIN_URL_DEFAULT}"
# ingress_base_url = "http://localhost:8080"
# bearer_token = "..."
"""

config = CommandGroup(
    "config",
    aliases={"list-env": "list-environments", "use-env": "use-environment"},
    help="Choose among the servers you work with.",
)


@config.command("list-environments")
@viewed
@with_session
def list_environments(session: Session, *, view: View) -> None:
    """List the environments of the configuration file."""

    def load() -> list[Row]:
        current = current_environment(session.surroundings)
        return [
            {
                "name": name,
                "current": name == current,
                "admin_base_url": table.get("admin_base_url", ADMIN_URL_DEFAULT),
            }
            for name, table in read_environments(session.surroundings).items()
        ]

    def render(rows: list[Row]) -> RenderableType:
        return session.output.table(
            ["", "NAME", "ADMIN API"],
            [("*" if row["current"] else "", row["name"], row["admin_base_url"]) for row in rows],
        )

    session.show(view, load, render)


@config.command("use-environment")
@click.argument("environment_name", shell_complete=completing.environments)
@output_option
@with_session
def use_environment(session: Session, environment_name: str, *, as_json: bool) -> None:
    """Choose the environment that all commands mean."""
    check_environment(session.surroundings, environment_name)
    home = config_home(session.surroundings)
    home.mkdir(parents=True, exist_ok=True)
    (home / "environment").write_text(environment_name + "\n", encoding="utf-8")
    if as_json:
        session.output.json({"environment": environment_name})
    session.output.done(f"commands now mean {environment_name}")


@config.command("view")
@viewed
@with_session
def view_config(session: Session, *, view: View) -> None:
    """Show the configuration file; tokens are left out."""

    def load() -> Row:
        return {
            name: {key: "***" if key == "bearer_token" else value for key, value in table.items()}
            for name, table in read_environments(session.surroundings).items()
        }

    def render(environments: Row) -> RenderableType:
        rows = [
            (name, key, value)
            for name, table in environments.items()
            for key, value in table.items()
        ]
        return session.output.table(["ENVIRONMENT", "KEY", "VALUE"], rows)

    session.output.note(str(config_file(session.surroundings)))
    session.show(view, load, render)


@config.command("edit")
@output_option
@with_session
def edit_config(session: Session, *, as_json: bool) -> None:
    """Change the configuration file in an editor; there is a first one to begin with."""
    path = config_file(session.surroundings)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_TEMPLATE, encoding="utf-8")
        path.chmod(0o600)
    edit_file(session.surroundings, path)
    environments = read_environments(session.surroundings)
    if as_json:
        session.output.json({"config_file": str(path), "environments": list(environments)})
    session.output.done(f"there are {', '.join(environments)}")
