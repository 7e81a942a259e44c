"""Running a server alone in this process, until told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
from msgspec.structs import replace

from perdure.cli.errors import EXIT_SERVER, EXIT_USAGE, CommandError
from perdure.cli.loops import Watchdog, run, stop_signal
from perdure.cli.serving import bind_doors, greet, watchdog_of
from perdure.engine.ports import StorageError
from perdure.server.collector import settle_down
from perdure.server.config_file import dump_config, parse_keys, read_config_file
from perdure.server.runtime import Failure, open_runtime
from perdure.server.settings import Address, Settings, SettingsError, read_environment

__all__ = ["ServerOptions", "dump_config", "read_settings", "serve"]


class ServerOptions(NamedTuple):
    """What the command line gave; None where it gave nothing."""

    config_file: Path | None
    host: str | None
    ingress_port: int | None
    admin_port: int | None
    base_dir: Path | None
    #: Settings as ``key=value``.
    assignments: tuple[str, ...]


def read_settings(options: ServerOptions, environment: Mapping[str, str]) -> Settings:
    """Lay the options over the environment over the file over the defaults.

    Raises:
        CommandError: a setting is unknown or not understood.
    """
    values: dict[str, Any] = {}
    try:
        if options.config_file is not None:
            values |= read_config_file(options.config_file)
        values |= read_environment(environment)
        values |= parse_keys(_assigned(options.assignments), "--set")
    except SettingsError as error:
        raise CommandError(f"[RT0002] {error}", EXIT_USAGE) from error
    settings = replace(Settings(), **values)
    return replace(
        settings,
        ingress=_address(settings.ingress, options.host, options.ingress_port),
        admin=_address(settings.admin, options.host, options.admin_port),
        data_dir=options.base_dir or settings.data_dir,
    )


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        CommandError: a setting, the data directory or a port cannot be used.
    """
    watchdog = watchdog_of(settings)
    run(lambda: _serve(settings, watchdog), watchdog)


async def _serve(settings: Settings, watchdog: Watchdog) -> None:
    failure = Failure()
    stop = stop_signal(watchdog)
    listeners = bind_doors(settings)
    try:
        async with open_runtime(settings, {}, listeners, failure) as runtime:
            settle_down()
            greet(runtime)
            click.echo(f"node {settings.node_name} of cluster {settings.cluster_name}")
            for key in runtime.public_keys:
                click.echo(f"requests are signed: services know this server by {key}")
            click.echo(f"register services with POST {runtime.admin_url}/deployments")
            await asyncio.wait({stop, failure.reason}, return_when=asyncio.FIRST_COMPLETED)
    except SettingsError as error:
        raise CommandError(f"[RT0002] {error}", EXIT_USAGE) from error
    except StorageError as error:
        raise CommandError(str(error), EXIT_SERVER) from error
    if failure.reason.done():
        reason = failure.reason.result()
        raise CommandError(f"{reason}; start again once that is mended", EXIT_SERVER)


def _assigned(assignments: tuple[str, ...]) -> dict[str, str]:
    given = {}
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator:
            raise SettingsError(f"--set {assignment}: write KEY=VALUE")
        given[key.strip()] = text.strip()
    return given


def _address(below: Address, host: str | None, port: int | None) -> Address:
    return Address(host or below.host, below.port if port is None else port)
