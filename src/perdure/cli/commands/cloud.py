"""``perdure cloud``: what belongs to another house, and is told so."""

from __future__ import annotations

import click

from perdure.cli.errors import UsageError


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
def cloud(words: tuple[str, ...]) -> None:
    """Not here."""
    del words  # Whatever was asked of it: there is none.
    raise UsageError(
        "there is no cloud of ours: run `perdure server` where you like, and name it in `perdure "
        "config edit`; Restate Cloud is managed with `restate cloud`"
    )
