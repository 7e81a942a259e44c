"""``perdure serve``: an application alone, for servers that run elsewhere."""

from __future__ import annotations

import multiprocessing
import os
import threading
from pathlib import Path
from typing import Any

import click

from perdure.cli.errors import EXIT_USAGE, CommandError
from perdure.cli.loading import load_application

#: More than servers ask for on one connection, or all of them together on all connections.
STREAMS_MAX = 100_000
#: So long attempts may go on when the command is told to stop; servers repeat those cut off.
STOP_S = 10


@click.command()
@click.argument("target", metavar="MODULE:APP")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=9080, show_default=True, help="Port."
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes that serve side by side.",
)
@click.option(
    "--tls-certificate",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Certificate chain in PEM; with --tls-key, https is served.",
)
@click.option(
    "--tls-key",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Private key of the certificate in PEM.",
)
def serve(
    target: str,
    *,
    host: str,
    port: int,
    workers: int,
    tls_certificate: Path | None,
    tls_key: Path | None,
) -> None:
    """Serve the application MODULE:APP, and leave durability to a server elsewhere.

    Both HTTP/2 (without TLS too) and HTTP/1.1 are spoken. Register the address with the server,
    such as: curl localhost:9070/deployments --json '{"uri": "http://localhost:9080"}'
    """
    if (tls_certificate is None) != (tls_key is None):
        raise CommandError("--tls-certificate and --tls-key belong together", EXIT_USAGE)
    granian = _granian()
    load_application(target)  # here, so that its errors are told once and not by every worker
    granian.Granian(
        target,
        address=host,
        port=port,
        interface="asgi",
        workers=workers,
        websockets=False,
        backpressure=STREAMS_MAX,
        http2_settings=granian.http.HTTP2Settings(max_concurrent_streams=STREAMS_MAX),
        ssl_cert=tls_certificate,
        ssl_key=tls_key,
        workers_kill_timeout=STOP_S,
        working_dir=Path.cwd(),
    ).serve(target_loader=load_in_worker)


def load_in_worker(target: str) -> Any:
    """Give the application to a worker, which from now on lives no longer than this command."""
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    return load_application(target)


def _leave_with_parent() -> None:
    """Wait for the end of the command, however it dies, and free the port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _granian() -> Any:
    """Give the web server.

    Raises:
        CommandError: it is not installed.
    """
    try:
        import granian  # noqa: PLC0415 - only this command needs it
        import granian.http  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise CommandError(
            'perdure serve needs a web server: pip install "perdure[serve]", or serve the '
            "application with any other ASGI server",
            EXIT_USAGE,
        ) from error
    return granian
