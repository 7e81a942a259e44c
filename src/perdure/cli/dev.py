"""``perdure dev``: an application with an embedded server, restarted when its source changes."""

from __future__ import annotations

import os
from pathlib import Path

import click

from perdure.cli.extras import needed_by


@click.command()
@click.argument("target", metavar="[MODULE:APP]", required=False)
@click.option("--ingress-port", type=click.IntRange(0, 65535), help="Port for requests [8080].")
@click.option("--admin-port", type=click.IntRange(0, 65535), help="Port for operators [9070].")
@click.option("--host", help="Address that both ports are bound to [127.0.0.1].")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where durable data goes [./perdure-data with an application, nowhere without].",
)
@click.option(
    "--partitions",
    type=click.IntRange(1, 64),
    help="Processes that share the work, fixed when the data directory is made [1].",
)
@click.option("-r", "--use-random-ports", "random_ports", is_flag=True, help="Ports that are free.")
@click.option(
    "-u",
    "--use-unix-sockets",
    "unix_sockets",
    is_flag=True,
    help="Sockets in a folder of this user, and no ports.",
)
@click.option(
    "--retain",
    is_flag=True,
    help="Without an application: write data to a new folder, and leave it there.",
)
@click.option("--no-reload", is_flag=True, help="Do not restart when source files change.")
def dev(
    target: str | None,
    *,
    ingress_port: int | None,
    admin_port: int | None,
    host: str | None,
    data_dir: Path | None,
    partitions: int | None,
    random_ports: bool,
    unix_sockets: bool,
    retain: bool,
    no_reload: bool,
) -> None:
    """Serve the application MODULE:APP with everything included.

    Handlers run in this process; their progress is kept in the data directory, so that stopping,
    killing and changing the code at any moment costs nothing that was already done.

    Without an application it is a server to try things out with, for services that live elsewhere:
    its data is gone when it stops.
    """
    with needed_by("perdure dev"):
        from perdure.cli import processes, reloading, serving, standing  # noqa: PLC0415 - needs a server

    options = serving.DevOptions(
        target, host, ingress_port, admin_port, data_dir, random_ports, unix_sockets, partitions
    )
    settings = serving.read_settings(options, os.environ)
    if (errand := processes.adopt()) is not None:
        from perdure.cli import companions  # noqa: PLC0415 - the others do without

        companions.serve(errand, target, settings)
    elif target is None:
        standing.try_out(settings, retain=retain, unix_sockets=unix_sockets)
    elif no_reload:
        serving.serve(target, options, settings)
    else:
        reloading.supervise(target, options, settings)
