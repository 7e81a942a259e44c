"""The ``perdure`` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import click

from perdure.cli.errors import EXIT_INTERRUPTED, EXIT_USAGE, CommandError
from perdure.cli.groups import CommandGroup, Entry
from perdure.cli.leaving import leave_threads_behind
from perdure.cli.streams import open_missing_streams, write_whatever_comes
from perdure.cli.surroundings import Surroundings

_HERE: Final = "perdure.cli.commands"

#: All commands; none is loaded before it is called.
COMMANDS: Final = {
    "dev": Entry(
        "perdure.cli.dev:dev",
        "Serve the application MODULE:APP with everything included.",
        ("up",),
    ),
    "server": Entry(
        "perdure.cli.server:server",
        "Run a server for services that live elsewhere.",
    ),
    "serve": Entry(
        "perdure.cli.serve:serve",
        "Serve the application MODULE:APP for a server elsewhere.",
    ),
    "whoami": Entry(f"{_HERE}.whoami:whoami", "Show which server is meant, and how it is."),
    "deployments": Entry(
        f"{_HERE}.deployments:deployments", "Show and change deployments.", ("dp",)
    ),
    "services": Entry(
        f"{_HERE}.services:services", "Show services, and change their settings.", ("svc",)
    ),
    "invocations": Entry(f"{_HERE}.invocations:invocations", "Show and change invocations."),
    "state": Entry(f"{_HERE}.state:state", "Show and change the state of objects and workflows."),
    "kafka-clusters": Entry(
        f"{_HERE}.kafka_clusters:kafka_clusters",
        "Show and change the Kafka clusters that subscriptions name.",
        ("kc",),
    ),
    "subscriptions": Entry(
        f"{_HERE}.subscriptions:subscriptions", "Show and change subscriptions.", ("sub",)
    ),
    "rules": Entry(
        f"{_HERE}.rules:rules", "Show and change the rules that limit concurrency.", ("rule",)
    ),
    "vqueues": Entry(f"{_HERE}.vqueues:vqueues", "Show the virtual queues of flow control."),
    "sql": Entry(f"{_HERE}.sql:sql", "Ask the server in SQL."),
    "example": Entry(
        f"{_HERE}.example:example",
        "Write out an example to begin with; without NAME, list those there are.",
    ),
    "config": Entry(f"{_HERE}.config:config", "Choose among the servers you work with."),
    "completions": Entry(
        f"{_HERE}.completions:completions", "Complete commands in the shell with the tab key."
    ),
    "cloud": Entry(f"{_HERE}.cloud:cloud", "Not here.", ("c",), hidden=True),
}


def _show_version(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if not wanted or context.resilient_parsing:
        return
    from perdure.cli.about import own_version  # noqa: PLC0415 - slow, and seldom asked for

    click.echo(f"perdure, version {own_version()}")
    context.exit()


@click.group(
    cls=CommandGroup, entries=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "-V",
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Durable execution for Python.

    Commands may be cut short while they are clear: `perdure inv ls`. Data goes to stdout,
    everything else to stderr.
    """


def run(arguments: Sequence[str], surroundings: Surroundings) -> int:
    """Run one command line and give its exit code; errors are told without a traceback."""
    try:
        code = cli.main(
            list(arguments), prog_name="perdure", obj=surroundings, standalone_mode=False
        )
    except CommandError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return EXIT_INTERRUPTED
    return code if isinstance(code, int) else 0


def main() -> None:
    """Run the command line of this process, and leave."""
    open_missing_streams()
    write_whatever_comes()
    try:
        surroundings = Surroundings()
    except FileNotFoundError:
        click.echo("error: the current folder was deleted; change to one that exists", err=True)
        sys.exit(EXIT_USAGE)
    try:
        sys.exit(run(sys.argv[1:], surroundings))
    except SystemExit as end:
        if not isinstance(end.code, str):
            leave_threads_behind(end.code or 0)
        raise
