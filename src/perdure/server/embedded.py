"""A server inside the user's own process and event loop."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from perdure.protocol.session import ServiceHost
from perdure.server.config_file import parse_keys
from perdure.server.doors import bind
from perdure.server.runtime import Failure, Runtime, open_runtime
from perdure.server.setting_keys import read_environment
from perdure.server.settings import Settings, SettingsError


class LifespanHost(ServiceHost, Protocol):
    """An application's services, with what it does before the first and after the last attempt."""

    async def startup(self) -> None:
        """Get ready."""

    async def shutdown(self) -> None:
        """Clean up."""


class Application(Protocol):
    """What ``perdure.app`` gives."""

    def host(self) -> LifespanHost:
        """Give the services, ready to run attempts."""


@contextlib.asynccontextmanager
async def embedded(
    app: Application,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    ingress_port: int | None = 0,
    admin_port: int | None = 0,
    name: str = "app",
    settings: dict[str, str] | None = None,
) -> AsyncIterator[Runtime]:
    """Run a server with an application's services in the running event loop.

    Example:
        ```python
        async with perdure.embedded(app, data_dir="data") as runtime:
            print(runtime.ingress_url)
        ```

    Args:
        app: The application.
        data_dir: Where durable data goes; None keeps everything in memory.
        ingress_port: Port for requests; 0 takes any free one, None opens none (mount
            ``runtime.ingress`` instead).
        admin_port: Port for operators; likewise.
        name: Name under which the application is registered.
        settings: Settings by their keys, such as ``{"worker.invoker.inactivity-timeout": "5s"}``;
            they come before the environment.

    Raises:
        SettingsError: a setting is unknown or not understood.
        StorageError: the data directory cannot be used.
        DoorError: a port cannot be had.
        RegistrationError: a service contradicts itself or an earlier revision.
        TypeError: what is given is no application.
    """
    if isinstance(app, type) or not callable(getattr(app, "host", None)):
        raise TypeError(
            f"{app!r} is no application: write perdure.embedded(perdure.app([...services...]))"
        )
    values = read_environment(os.environ) | parse_keys(settings or {}, "settings")
    values["data_dir"] = None if data_dir is None else Path(data_dir)
    chosen = replace(Settings(), **values)
    if chosen.partitions not in (None, 1):
        raise SettingsError(
            f"default-num-partitions: {chosen.partitions} partitions are as many processes, and "
            "perdure.embedded is part of this one; write 1, or serve with perdure dev"
        )
    ports = {"ingress": ingress_port, "admin": admin_port}
    with contextlib.ExitStack() as stack:
        listeners: dict[str, socket.socket] = {}
        for door, port in ports.items():
            if port is not None:
                listeners[door] = stack.enter_context(bind("127.0.0.1", port, f"{door}_port"))
        host = app.host()
        await host.startup()
        try:
            async with open_runtime(chosen, {name: host}, listeners, Failure()) as runtime:
                yield runtime
        finally:
            await host.shutdown()
