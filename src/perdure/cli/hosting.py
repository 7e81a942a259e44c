"""Serving an application alone, for servers that run elsewhere, until told to stop."""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Final, NamedTuple

import click

from perdure.cli.errors import EXIT_SERVER, EXIT_USAGE, CommandError
from perdure.cli.loading import load_application, make_ready
from perdure.cli.loops import STUCK_S, Watchdog, leaving, run, show_log, stop_signal
from perdure.cli.workers import LEAVE_S, Inheritance, adopt, supervise
from perdure.sdk.app import App
from perdure.sdk.streamed import Streamed
from perdure.server.collector import settle_down
from perdure.server.doors import Door, DoorError, bind

#: So long attempts may go on when the command is told to stop; servers repeat those cut off.
STOP_S: Final = 10.0


class ServeOptions(NamedTuple):
    """What the command line gave."""

    target: str
    host: str
    port: int
    workers: int
    tls_certificate: Path | None
    tls_key: Path | None


def serve(options: ServeOptions) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        CommandError: the application, the certificate or the port cannot be used.
    """
    # Loaded and read before there are workers, so that errors are told once and not by each.
    app = load(options.target)
    tls = read_tls(options)
    inherited = adopt()
    watchdog = Watchdog(STOP_S + STUCK_S)
    if inherited is not None:
        run(lambda: serve_on(app, inherited.listener, tls, watchdog, inherited), watchdog)
        return
    try:
        listener = bind(options.host, options.port, "--port")
    except DoorError as error:
        raise CommandError(str(error), EXIT_SERVER) from error
    host, port = listener.getsockname()[:2]
    scheme = "http" if tls is None else "https"
    names = ", ".join(service.name for service in app.services) or "no services yet"
    click.echo(f"serving {names} at {scheme}://{f'[{host}]' if ':' in host else host}:{port}")
    if options.workers == 1:
        run(lambda: serve_on(app, listener, tls, watchdog), watchdog)
    else:
        watchdog = Watchdog(STOP_S + LEAVE_S + STUCK_S)  # not before it has ended the others
        with leaving(watchdog):
            asyncio.run(supervise(listener, options.workers, STOP_S, watchdog))


def load(target: str) -> App:
    """Find the application.

    Raises:
        CommandError: there is none, or it cannot be served.
    """
    application = load_application(target)
    if isinstance(application, App):
        make_ready(target, application.endpoint)
        return application
    kind = type(application).__name__
    raise CommandError(f"{target} is a {kind}; write perdure.app([...services...])", EXIT_USAGE)


def read_tls(options: ServeOptions) -> ssl.SSLContext | None:
    """Read certificate and key, if there are any.

    Raises:
        CommandError: they cannot be read, or do not fit.
    """
    if options.tls_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        context.load_cert_chain(options.tls_certificate, options.tls_key)
    except OSError as error:  # those of TLS are of this kind, too
        raise CommandError(
            f"{options.tls_certificate} and {options.tls_key} are no certificate and key that "
            f"belong together, in PEM: {error}",
            EXIT_USAGE,
        ) from error
    return context


async def serve_on(
    app: App,
    listener: socket.socket,
    tls: ssl.SSLContext | None,
    watchdog: Watchdog,
    inherited: Inheritance | None = None,
) -> None:
    """Serve on a bound socket until SIGINT or SIGTERM."""
    show_log(times=True)
    stop = stop_signal(watchdog, supervised=inherited is not None)
    if inherited is not None:
        inherited.leave_with_parent()
    endpoint = app.endpoint()
    door = Door(Streamed(endpoint), listener, tls)
    await endpoint.host.startup()
    try:
        await door.start()
        settle_down()
        await stop
        await door.stop(STOP_S)
    finally:
        await endpoint.host.shutdown()
