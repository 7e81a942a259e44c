"""Running a server alone in this process, until told to stop."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
from msgspec.structs import replace

from perdure.cli.errors import EXIT_USAGE, CommandError
from perdure.cli.loops import Watchdog, begin_to_stop, run, show_log, stop_signal
from perdure.cli.processes import staffed
from perdure.cli.serving import (
    check,
    given_folder,
    given_partitions,
    greet,
    listening,
    told,
    watchdog_of,
)
from perdure.server.collector import settle_down
from perdure.server.config_file import dump_config, parse_keys, read_config_file
from perdure.server.runtime import Failure
from perdure.server.setting_keys import read_environment
from perdure.server.setting_values import Address
from perdure.server.settings import Settings, SettingsError

__all__ = ["ServerOptions", "dump_config", "read_settings", "serve"]


class ServerOptions(NamedTuple):
    """What the command line gave; None where it gave nothing."""

    config_file: Path | None
    host: str | None
    ingress_port: int | None
    admin_port: int | None
    base_dir: Path | None
    partitions: int | None
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
        values |= given_folder(options.base_dir)
        values |= given_partitions(options.partitions)
    except SettingsError as error:
        raise CommandError(f"[RT0002] {error}", EXIT_USAGE) from error
    settings = replace(Settings(), **values)
    return replace(
        settings,
        ingress=_address(settings.ingress, options.host, options.ingress_port),
        admin=_address(settings.admin, options.host, options.admin_port),
    )


def serve(settings: Settings, *, unix_sockets: bool = False) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: how.
        unix_sockets: whether on sockets in the file system, and on no ports.

    Raises:
        CommandError: a setting, the data directory or a port cannot be used.
    """
    watchdog = watchdog_of(settings)
    with listening(settings, unix_sockets=unix_sockets) as listeners:
        run(lambda: _serve(settings, listeners, watchdog), watchdog)


def try_out(settings: Settings, *, retain: bool, unix_sockets: bool) -> None:
    """Serve with data that goes with the server, unless the settings name a place for it.

    Args:
        settings: how.
        retain: whether to write data to a new folder, and to leave it there.
        unix_sockets: whether on sockets in the file system, and on no ports.

    Raises:
        CommandError: a setting, the data directory or a port cannot be used.
    """
    if retain and settings.data_dir is None:
        settings = replace(settings, data_dir=Path(tempfile.mkdtemp(prefix="perdure-data-")))
    where = "in memory, and gone at the end" if settings.data_dir is None else settings.data_dir
    click.echo(f"data {where}")
    serve(settings, unix_sockets=unix_sockets)


async def _serve(
    settings: Settings, listeners: Mapping[str, socket.socket], watchdog: Watchdog
) -> None:
    show_log(times=True)
    failure = Failure()
    stop = stop_signal(watchdog)
    with told():
        async with (
            staffed(settings, partial(begin_to_stop, stop, watchdog)) as opened,
            opened({}, listeners, failure) as runtime,
        ):
            settle_down()
            greet(runtime)
            click.echo(f"node {settings.node_name} of cluster {settings.cluster_name}")
            for key in runtime.public_keys:
                click.echo(f"requests are signed: services know this server by {key}")
            click.echo(
                "register services: perdure deployments register URL --admin-url "
                + runtime.admin_url
            )
            await asyncio.wait({stop, failure.reason}, return_when=asyncio.FIRST_COMPLETED)
            watchdog.watch()
    check(failure)


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
