"""``perdure dev``: an application with an embedded server, restarted when its source changes."""

from __future__ import annotations

import os
from pathlib import Path

import click


@click.command()
@click.argument("target", metavar="MODULE:APP")
@click.option("--ingress-port", type=click.IntRange(0, 65535), help="Port for requests [8080].")
@click.option("--admin-port", type=click.IntRange(0, 65535), help="Port for operators [9070].")
@click.option("--host", help="Address that both ports are bound to [127.0.0.1].")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where durable data goes [./perdure-data].",
)
@click.option("-r", "--use-random-ports", "random_ports", is_flag=True, help="Ports that are free.")
@click.option("--no-reload", is_flag=True, help="Do not restart when source files change.")
def dev(
    target: str,
    *,
    ingress_port: int | None,
    admin_port: int | None,
    host: str | None,
    data_dir: Path | None,
    random_ports: bool,
    no_reload: bool,
) -> None:
    """Serve the application MODULE:APP with everything included.

    Handlers run in this process; their progress is kept in the data directory, so that stopping,
    killing and changing the code at any moment costs nothing that was already done.
    """
    from perdure.cli import reloading, serving  # noqa: PLC0415 - only this command needs a server

    options = serving.DevOptions(target, host, ingress_port, admin_port, data_dir, random_ports)
    settings = serving.read_settings(options, os.environ)
    if no_reload:
        serving.serve(options, settings)
    else:
        reloading.supervise(options, settings)
