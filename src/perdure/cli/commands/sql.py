"""``perdure sql``."""

from __future__ import annotations

import json

import click
from rich.console import RenderableType

from perdure.cli.admin_api import Row
from perdure.cli.groups import AdminCommand
from perdure.cli.output import counted
from perdure.cli.session import Session, with_session
from perdure.cli.views import View, viewed


@click.command(cls=AdminCommand)
@click.argument("query")
@click.option("--jsonl", is_flag=True, help="A JSON document a row.")
@viewed
@with_session
def sql(session: Session, query: str, *, jsonl: bool, view: View) -> None:
    """Ask the server in SQL.

    Columns that are NULL are missing from JSON, and empty in tables. docs/sql.md lists the tables.
    """

    def load() -> list[Row]:
        clock = session.surroundings.now
        begun = clock()
        rows = session.admin.query(query)
        taken_ms = (clock() - begun) * 1000
        session.output.note(f"{counted(len(rows), 'row')} in {taken_ms:.0f} ms")
        return rows

    def render(rows: list[Row]) -> RenderableType:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        cells = [[_cell(row.get(column)) for column in columns] for row in rows]
        return session.output.table([column.upper() for column in columns], cells)

    if jsonl:
        for row in load():
            session.output.json(row, compact=True)
    else:
        session.show(view, load, render)


def _cell(value: object) -> object:
    return json.dumps(value) if isinstance(value, bool | list | dict) else value
