"""``perdure example``."""

from __future__ import annotations

from pathlib import Path

import click

from perdure.cli import completing
from perdure.cli.examples import (
    Example,
    examples_folder,
    list_examples,
    read_example,
    write_example,
)
from perdure.cli.groups import AdminCommand
from perdure.cli.session import Session, with_session
from perdure.cli.views import output_option


@click.command(cls=AdminCommand)
@click.argument("name", required=False, shell_complete=completing.examples)
@click.option(
    "--output-directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to [one named like the example].",
)
@output_option
@with_session
def example(
    session: Session, name: str | None, *, output_directory: Path | None, as_json: bool
) -> None:
    """Write out an example to begin with; without NAME, list those there are."""
    folder = examples_folder()
    if name is None:
        _list(session, list_examples(folder), as_json=as_json)
        return
    sources = read_example(folder, name)
    target = Path(name) if output_directory is None else output_directory
    write_example(sources, target)
    written = [str(target / file) for file in sources]
    if as_json:
        session.output.json({"name": name, "files": written})
    else:
        session.output.text("\n".join(written))
    session.output.done(f"run it with: cd {target} && perdure dev {name}:app")


def _list(session: Session, found: list[Example], *, as_json: bool) -> None:
    if as_json:
        session.output.json([each._asdict() for each in found])
    else:
        session.output.data(session.output.table(["NAME", "WHAT IT SHOWS"], found))
