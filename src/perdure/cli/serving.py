"""Running an application and its server in this process, until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from msgspec.structs import replace

from perdure.cli.errors import EXIT_SERVER, EXIT_USAGE, CommandError, DiedError
from perdure.cli.loading import load_application, make_ready
from perdure.cli.loops import (
    STUCK_S,
    Watchdog,
    begin_to_stop,
    heed_signals,
    run,
    show_log,
)
from perdure.cli.processes import staffed
from perdure.core.model.deployments import HandlerSchema, Registry
from perdure.core.model.manifest_checks import RegistrationError
from perdure.engine.errors import UnavailableError
from perdure.engine.ports import StorageError
from perdure.server.collector import settle_down
from perdure.server.company import PartitionLostError
from perdure.server.config_file import parse_keys
from perdure.server.doors import DoorError, bind, bind_file
from perdure.server.embedded import LifespanHost
from perdure.server.runtime import Failure, Runtime
from perdure.server.setting_keys import read_environment
from perdure.server.setting_values import Address
from perdure.server.settings import Settings, SettingsError

_DOORS: Final = ("ingress", "admin")


class DevOptions(NamedTuple):
    """What the command line gave; None where it gave nothing."""

    #: None serves no application: the server is for services elsewhere.
    target: str | None
    host: str | None
    ingress_port: int | None
    admin_port: int | None
    data_dir: Path | None
    #: Whether ports that are not given are any that are free.
    random_ports: bool = False
    #: Whether there are sockets in the file system, and no ports.
    unix_sockets: bool = False
    partitions: int | None = None


def read_settings(options: DevOptions, environment: Mapping[str, str]) -> Settings:
    """Lay the options over the environment over the defaults.

    Raises:
        CommandError: a variable of the environment is unknown, or a value not understood.
    """
    try:
        values = read_environment(environment) | given_folder(options.data_dir)
        values |= given_partitions(options.partitions)
    except SettingsError as error:
        raise CommandError(f"[RT0002] {error}", EXIT_USAGE) from error
    settings = replace(Settings(), **values)
    otherwise = 0 if options.random_ports else None
    # A server without an application is for trying things out: its data goes with it.
    data_dir = values.get("data_dir") if options.target is None else settings.data_dir
    return replace(
        settings,
        ingress=_address(settings.ingress, options.host, options.ingress_port, otherwise),
        admin=_address(settings.admin, options.host, options.admin_port, otherwise),
        data_dir=data_dir,
    )


def given_folder(data_dir: Path | None) -> dict[str, Any]:
    """Give the setting of the option ``--data-dir``, if it is given.

    Raises:
        SettingsError: it begins with the home of nobody. Shells leave the tilde to us.
    """
    return {} if data_dir is None else parse_keys({"base-dir": str(data_dir)}, "--data-dir")


def given_partitions(partitions: int | None) -> dict[str, Any]:
    """Give the setting of the option ``--partitions``, if it is given."""
    return {} if partitions is None else {"partitions": partitions}


def _address(below: Address, host: str | None, *ports: int | None) -> Address:
    """Give the address with the first port that is one."""
    port = next((port for port in ports if port is not None), below.port)
    return Address(host or below.host, port)


def bind_doors(settings: Settings) -> dict[str, socket.socket]:
    """Bind both ports.

    Raises:
        CommandError: one of them cannot be had.
    """
    try:
        ingress = bind(*settings.ingress, "--ingress-port")
        try:
            return {"ingress": ingress, "admin": bind(*settings.admin, "--admin-port")}
        except DoorError:
            ingress.close()
            raise
    except DoorError as error:
        raise CommandError(str(error), EXIT_SERVER) from error


@contextlib.contextmanager
def listening(settings: Settings, *, unix_sockets: bool) -> Iterator[dict[str, socket.socket]]:
    """Bind both doors: to ports, or to paths that only this user reaches, and that go at the end.

    Raises:
        CommandError: one of them cannot be had.
    """
    with contextlib.ExitStack() as stack:
        if unix_sockets:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="perdure-"))
            try:
                listeners = {name: bind_file(Path(folder) / f"{name}.sock") for name in _DOORS}
            except DoorError as error:
                raise CommandError(str(error), EXIT_SERVER) from error
        else:
            listeners = bind_doors(settings)
        for listener in listeners.values():
            stack.enter_context(listener)
        yield listeners


def serve(target: str, options: DevOptions, settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM.

    Raises:
        CommandError: the application, the data directory or a port cannot be used.
    """
    watchdog = watchdog_of(settings)
    with listening(settings, unix_sockets=options.unix_sockets) as listeners:
        run(lambda: serve_on(target, settings, listeners, watchdog), watchdog)


def watchdog_of(settings: Settings) -> Watchdog:
    """Give what bounds a stop that hangs."""
    return Watchdog(settings.shutdown_timeout_ms / 1000 + STUCK_S)


async def serve_on(
    target: str,
    settings: Settings,
    listeners: Mapping[str, socket.socket],
    watchdog: Watchdog,
    *,
    supervised: bool = False,
) -> None:
    """Serve on bound sockets until SIGINT or SIGTERM, or until the engine stops by itself.

    Args:
        target: the application.
        settings: how.
        listeners: bound sockets by the name of the door.
        watchdog: bounds the end.
        supervised: whether a parent passes signals on.

    Raises:
        CommandError: the application, a setting or the data directory cannot be used, or no
            longer.
    """
    stop: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    with told():
        async with staffed(settings, partial(begin_to_stop, stop, watchdog)) as opened:
            host = load_host(target)
            show_log(times=False)
            failure = Failure()
            # Not before the application is loaded, which nothing could interrupt then.
            heed_signals(stop, watchdog, supervised=supervised)
            async with (
                started(host),
                opened({target: host}, listeners, failure) as runtime,
            ):
                settle_down()
                greet(runtime)
                await asyncio.wait({stop, failure.reason}, return_when=asyncio.FIRST_COMPLETED)
                watchdog.watch()
    check(failure)


def load_host(target: str) -> LifespanHost:
    """Load the application.

    Raises:
        CommandError: it cannot be found, loaded or used.
    """
    host: LifespanHost = make_ready(target, load_application(target).host)
    return host


@contextlib.asynccontextmanager
async def started(host: LifespanHost) -> AsyncIterator[None]:
    """Let an application do what it does before its first attempt, and after the last."""
    await host.startup()
    try:
        yield
    finally:
        await host.shutdown()


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Tell what a server cannot begin with.

    Raises:
        CommandError: a setting, an application or the data directory cannot be used, or one of the
            processes was lost.
    """
    try:
        yield
    except SettingsError as error:
        raise CommandError(f"[RT0002] {error}", EXIT_USAGE) from error
    except RegistrationError as error:
        raise CommandError(str(error), EXIT_USAGE) from error
    except (StorageError, UnavailableError) as error:
        raise CommandError(str(error), EXIT_SERVER) from error
    except PartitionLostError as error:
        if error.exit_code == EXIT_USAGE:
            raise CommandError(f"{error}; see above", EXIT_USAGE) from error
        raise _ended(error, "see above") from error


def check(failure: Failure) -> None:
    """Tell why a server stopped by itself, if it did.

    Raises:
        CommandError: it did.
    """
    if failure.reason.done():
        raise _ended(failure.reason.result(), "start again once that is mended")


def _ended(reason: BaseException, advice: str) -> CommandError:
    code = reason.exit_code if isinstance(reason, PartitionLostError) else None
    # What a process says with a code of its own is no death.
    died = code not in (None, EXIT_USAGE, EXIT_SERVER)
    return (DiedError if died else CommandError)(f"{reason}; {advice}", EXIT_SERVER)


def greet(runtime: Runtime) -> None:
    """Say what is served, and how to call it."""
    click.echo(f"ingress {runtime.ingress_url}   admin {runtime.admin_url}")
    if runtime.partitions > 1:
        click.echo(f"{runtime.partitions} partitions, each with a process of its own")
    for line in list_services(runtime.registry):
        click.echo(f"  {line}")
    example = example_request(runtime.registry, runtime.ingress_url)
    if example is not None:
        click.echo(f"try:  {example}")


def list_services(registry: Registry) -> list[str]:
    """Say what can be called, or that nothing can yet."""
    lines = []
    for service in registry.services.values():
        handlers = ", ".join(service.handlers) or "no handlers yet: decorate with its .handler()"
        lines.append(f"{service.name} ({service.type.lower()}, r{service.revision}): {handlers}")
    return lines or ["no services yet: give perdure.app([...]) some, or register a deployment"]


def example_request(registry: Registry, ingress_url: str) -> str | None:
    """Give a curl line that calls a public handler; None if there is none.

    A handler that takes a plain value is preferred: what an object needs cannot be guessed.
    """
    handlers = [
        handler
        for service in registry.services.values()
        for handler in service.handlers.values()
        if handler.public
    ]
    if not handlers:
        return None
    handler = min(handlers, key=_difficulty)
    key = "/my-key" if handler.kind.keyed else ""
    scheme, _, path = ingress_url.partition(":")
    where = f"--unix-socket {path} http://localhost" if scheme == "unix" else ingress_url
    return f"curl {where}/{handler.service}{key}/{handler.name}{_body(handler)}"


def _difficulty(handler: HandlerSchema) -> tuple[bool, bool]:
    schema = None if handler.input is None else handler.input.json_schema
    return _type_of(schema) not in _SAMPLES, handler.kind.keyed


def _body(handler: HandlerSchema) -> str:
    given = handler.input
    if given is None or given.content_type is None:
        return ""
    return f" --json '{_sample(given.json_schema)}'"


#: JSON that looks like what a schema's type asks for.
_SAMPLES: Final = {"string": '"World"', "integer": "1", "number": "1.0", "boolean": "true"}


def _sample(schema: Any) -> str:
    kind = _type_of(schema)
    return "[]" if kind == "array" else _SAMPLES.get(kind, "{}")


def _type_of(schema: Any) -> str:
    """Give the one type that a JSON schema asks for; it may name several, or none."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    return kind if isinstance(kind, str) else ""
