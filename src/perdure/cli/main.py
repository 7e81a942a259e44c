"""The ``perdure`` command."""

from __future__ import annotations

import sys

import click

from perdure.cli.dev import dev
from perdure.cli.errors import CommandError
from perdure.cli.server import server
from perdure.cli.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="perdure", prog_name="perdure")
def cli() -> None:
    """Durable execution for Python."""


cli.add_command(dev)
cli.add_command(server)
cli.add_command(serve)


def main() -> None:
    """Run the command line; errors that a user can mend are told without a traceback."""
    try:
        cli()
    except CommandError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
