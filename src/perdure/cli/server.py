"""``perdure server``: the server alone, for services that live elsewhere and in any language."""

from __future__ import annotations

import os
from pathlib import Path

import click

from perdure.cli.extras import needed_by


@click.command()
@click.option(
    "-c",
    "--config-file",
    envvar="PERDURE_CONFIG",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Settings in TOML [PERDURE_CONFIG].",
)
@click.option("--ingress-port", type=click.IntRange(0, 65535), help="Port for requests [8080].")
@click.option("--admin-port", type=click.IntRange(0, 65535), help="Port for operators [9070].")
@click.option("--host", help="Address that both ports are bound to [127.0.0.1].")
@click.option(
    "--base-dir",
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where durable data goes [./perdure-data].",
)
@click.option(
    "--partitions",
    type=click.IntRange(1, 64),
    help="Processes that share the work, fixed when the data directory is made [1].",
)
@click.option(
    "--set",
    "assignments",
    metavar="KEY=VALUE",
    multiple=True,
    help="Any setting by its key, such as worker.invoker.inactivity-timeout=5s.",
)
@click.option("--dump-config", is_flag=True, help="Print the settings in force, and leave.")
def server(
    *,
    config_file: Path | None,
    ingress_port: int | None,
    admin_port: int | None,
    host: str | None,
    base_dir: Path | None,
    partitions: int | None,
    assignments: tuple[str, ...],
    dump_config: bool,
) -> None:
    """Run a server for services that live elsewhere; register them at the admin port.

    Options come before the environment (PERDURE_...), which comes before the file.
    """
    with needed_by("perdure server"):
        from perdure.cli import processes, standing  # noqa: PLC0415 - needs a server

    options = standing.ServerOptions(
        config_file, host, ingress_port, admin_port, base_dir, partitions, assignments
    )
    settings = standing.read_settings(options, os.environ)
    if (errand := processes.adopt()) is not None:
        from perdure.cli import companions  # noqa: PLC0415 - the others do without

        companions.serve(errand, None, settings)
    elif dump_config:
        click.echo(standing.dump_config(settings), nl=False)
    else:
        standing.serve(settings)
