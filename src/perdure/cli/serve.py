"""``perdure serve``: an application alone, for servers that run elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from perdure.cli.errors import EXIT_USAGE, CommandError


@click.command()
@click.argument("target", metavar="MODULE:APP")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=9080, show_default=True, help="Port."
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
    try:
        from perdure.cli import hosting  # noqa: PLC0415 - only this command needs it
    except ImportError as error:
        raise CommandError(
            f'perdure serve needs more than the SDK ({error}): pip install "perdure[serve]", or '
            "serve the application with any ASGI server",
            EXIT_USAGE,
        ) from error
    hosting.serve(hosting.ServeOptions(target, host, port, workers, tls_certificate, tls_key))
