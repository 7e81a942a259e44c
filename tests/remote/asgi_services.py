"""Services of ours behind an ASGI server, in this process, over any version of HTTP and IP.

TLS is spoken by hypercorn, whose TLS is not ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from datetime import timedelta

import hypercorn.asyncio
from certificates import Certificates
from hypercorn.config import Config

import perdure
from perdure.server.doors import Door


def greeting_app(identity_keys: list[str] | None = None):
    """Make an application with one service, whose handler does a step and sleeps."""
    tools = perdure.Service("Tools")

    @tools.handler()
    async def greet(ctx: perdure.Context, name: str) -> str:
        greeting = await ctx.run_typed("greet", lambda: f"Hello {name}")
        await ctx.sleep(timedelta(milliseconds=10))
        return greeting

    return perdure.app([tools], identity_keys=identity_keys)


@contextlib.asynccontextmanager
async def hosted(
    app: object,
    host: str = "127.0.0.1",
    tls: Certificates | None = None,
    protocols: tuple[str, ...] = ("h2", "http/1.1"),
    port: int = 0,
) -> AsyncIterator[str]:
    """Serve for as long as the context lasts; give host and port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    authority = f"[{host}]" if ":" in host else host
    authority += f":{listener.getsockname()[1]}"
    async with _door(app, listener) if tls is None else _hypercorn(app, listener, tls, protocols):
        yield authority


@contextlib.asynccontextmanager
async def _door(app: object, listener: socket.socket) -> AsyncIterator[None]:
    door = Door(app, listener)
    await door.start()
    try:
        yield
    finally:
        await door.stop(grace_s=0.1)


@contextlib.asynccontextmanager
async def _hypercorn(
    app: object, listener: socket.socket, tls: Certificates, protocols: tuple[str, ...]
) -> AsyncIterator[None]:
    files = {"certfile": str(tls.chain), "keyfile": str(tls.key)}
    async with _served_by_hypercorn(app, listener, alpn_protocols=list(protocols), **files):
        yield


@contextlib.asynccontextmanager
async def hypercorned(app: object, **options: object) -> AsyncIterator[str]:
    """Serve over cleartext HTTP/2 by hypercorn, with options of its own; give the address."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with _served_by_hypercorn(app, listener, **options):
        yield url


@contextlib.asynccontextmanager
async def _served_by_hypercorn(
    app: object, listener: socket.socket, **options: object
) -> AsyncIterator[None]:
    config = Config()
    config.errorlog = logging.getLogger("tests.hypercorn")
    config.graceful_timeout = 0.1
    for name, value in options.items():
        setattr(config, name, value)
    config.bind = [f"fd://{listener.detach()}"]  # which the server closes
    stop = asyncio.Event()
    task = asyncio.create_task(hypercorn.asyncio.serve(app, config, shutdown_trigger=stop.wait))
    try:
        yield
    finally:
        stop.set()
        await task
