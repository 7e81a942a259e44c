"""``perdure state``."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.console import RenderableType

from perdure.cli import completing
from perdure.cli.admin_api import Row, path
from perdure.cli.editing import edit
from perdure.cli.errors import RefusedError, UsageError
from perdure.cli.groups import CommandGroup
from perdure.cli.json_patch import apply_patch
from perdure.cli.session import Session, with_session
from perdure.cli.sql_text import literal, select
from perdure.cli.state_values import State, read_values, show_values, state_version
from perdure.cli.views import View, output_option, viewed

_NOTE = (
    "the change is made once no invocation holds the key; --force was not given, so it is dropped "
    "if the state changes before"
)

state = CommandGroup("state", help="Show and change the state of objects and workflows.")


@state.command("get")
@click.argument("service", shell_complete=completing.objects)
@click.argument("key", shell_complete=completing.keys)
@click.option("--binary", is_flag=True, help="Values as base64.")
@click.option("-p", "--plain", is_flag=True, help="JSON in one line, and nothing else.")
@viewed
@with_session
def get(session: Session, service: str, key: str, *, binary: bool, plain: bool, view: View) -> None:
    """Show the state of a key."""
    _check_keyed(session, service)

    def load() -> Row:
        return show_values(_read(session, service, key), binary=binary)

    def render(values: Row) -> RenderableType:
        rows = [(name, json.dumps(value, indent=2)) for name, value in sorted(values.items())]
        return session.output.table(["KEY", "VALUE"], rows)

    if plain:
        session.output.json(load(), compact=True)
    else:
        session.show(view, load, render)


@state.command("edit")
@click.argument("service", shell_complete=completing.objects)
@click.argument("key", shell_complete=completing.keys)
@click.option("--binary", is_flag=True, help="Values as base64.")
@click.option("-f", "--force", is_flag=True, help="Even if the state has changed meanwhile.")
@output_option
@with_session
def edit_state(
    session: Session, service: str, key: str, *, binary: bool, force: bool, as_json: bool
) -> None:
    """Change the state of a key in an editor."""
    _check_keyed(session, service)
    before = _read(session, service, key)
    shown = json.dumps(show_values(before, binary=binary), indent=2, ensure_ascii=False) + "\n"
    text = edit(session.surroundings, shown, ".json")
    after = read_values(_parse(text, "what was written"), before, binary=binary)
    _change(session, (service, key), (before, after), force=force, as_json=as_json)


@state.command("patch")
@click.argument("service", shell_complete=completing.objects)
@click.argument("key", shell_complete=completing.keys)
@click.option("--binary", is_flag=True, help="Values as base64.")
@click.option("-f", "--force", is_flag=True, help="Even if the state has changed meanwhile.")
@click.option("-p", "--patch", required=True, metavar="JSON", help="Operations (RFC 6902).")
@output_option
@with_session
def patch_state(
    session: Session,
    service: str,
    key: str,
    *,
    patch: str,
    binary: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Change the state of a key by a JSON patch; what it does not touch stays as it is.

    The patch is such as [{"op": "replace", "path": "/count", "value": 42}].
    """
    _check_keyed(session, service)
    before = _read(session, service, key)
    shown = apply_patch(show_values(before, binary=binary), _parse(patch, "the patch"))
    after = read_values(shown, before, binary=binary)
    _change(session, (service, key), (before, after), force=force, as_json=as_json)


@state.command("clear")
@click.argument("query", shell_complete=completing.objects)
@click.option("-f", "--force", is_flag=True, help="Even if the state has changed meanwhile.")
@output_option
@with_session
def clear(session: Session, query: str, *, force: bool, as_json: bool) -> None:
    """Delete the state of a key, or of all keys of a service.

    QUERY is Service/key, or Service for all its keys.
    """
    states = _find(session, query)
    table = session.output.table(
        ["SERVICE", "KEY", "VALUES"],
        [(service, key, len(values)) for (service, key), values in states.items()],
    )
    session.output.note(table)
    keys = "1 key" if len(states) == 1 else f"{len(states)} keys"
    session.confirm(f"Do you want to delete the state of {keys}?")
    for (service, key), values in states.items():
        _submit(session, service, key, {}, None if force else state_version(values))
    if as_json:
        session.output.json([{"service": service, "key": key} for service, key in states])
    session.output.done(f"submitted the deletion of the state of {keys}")


def _check_keyed(session: Session, service: str) -> None:
    """Refuse what has no state, and what does not exist."""
    if session.admin.get(path("services", service))["ty"] == "Service":
        raise UsageError(
            f"{service} is a plain service, which has no state; virtual objects and workflows do"
        )


def _read(session: Session, service: str, key: str) -> dict[str, bytes]:
    owner = [f"service_name = {literal(service)}", f"service_key = {literal(key)}"]
    rows = session.admin.query(select(["key", "value"], "state", owner, order="key"))
    return {row["key"]: bytes.fromhex(row.get("value", "")) for row in rows}


def _find(session: Session, query: str) -> dict[tuple[str, str], State]:
    """Find state, even of a service that was removed."""
    service, separator, key = query.partition("/")
    owner = [f"service_name = {literal(service)}"]
    if separator:
        owner.append(f"service_key = {literal(key)}")
    columns = ["service_key", "key", "value"]
    rows = session.admin.query(select(columns, "state", owner, order="service_key, key"))
    if not rows:
        _check_keyed(session, service)
        raise RefusedError(f"{query} has no state; nothing was done")
    found: dict[tuple[str, str], dict[str, bytes]] = {}
    for row in rows:
        values = found.setdefault((service, row["service_key"]), {})
        values[row["key"]] = bytes.fromhex(row.get("value", ""))
    return dict(found)


def _parse(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{what} is no JSON: {error}; nothing was changed") from error


def _change(
    session: Session,
    owner: tuple[str, str],
    states: tuple[State, State],
    *,
    force: bool,
    as_json: bool,
) -> None:
    before, after = states
    changes = [
        (name, _change_text(before.get(name), after.get(name)))
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    if not changes:
        session.output.note("nothing was changed")
        return
    session.output.note(session.output.table(["KEY", "CHANGE"], changes))
    if not force:
        session.output.note(_NOTE)
    session.confirm(f"Do you want to change the state of {'/'.join(owner)}?")
    _submit(session, *owner, after, None if force else state_version(before))
    if as_json:
        changed = [name for name, _ in changes]
        session.output.json({"service": owner[0], "key": owner[1], "changed": changed})
    session.output.done("submitted")


def _change_text(before: bytes | None, after: bytes | None) -> str:
    if after is None:
        return "removed"
    text = after.decode(errors="replace")
    return f"new: {text}" if before is None else f"{before.decode(errors='replace')} to {text}"


def _submit(session: Session, service: str, key: str, after: State, version: str | None) -> None:
    new_state = {name: list(value) for name, value in after.items()}
    expected = {} if version is None else {"version": version}
    body = {"object_key": key, "new_state": new_state, **expected}
    session.admin.send("POST", path("services", service, "state"), body)
