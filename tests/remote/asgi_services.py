"""Services of ours behind an ASGI server, in this process, over any version of HTTP and IP.

TLS is spoken by hypercorn, whose TLS is not ours. It breaks a whole connection when an application
answers before it has read its request, as one does that refuses a server: such go behind our door.
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
    config = Config()
    config.errorlog = logging.getLogger("tests.hypercorn")
    config.alpn_protocols = list(protocols)
    config.graceful_timeout = 0.1
    config.certfile, config.keyfile = str(tls.chain), str(tls.key)
    config.bind = [f"fd://{listener.detach()}"]  # which the server closes
    stop = asyncio.Event()
    task = asyncio.create_task(hypercorn.asyncio.serve(app, config, shutdown_trigger=stop.wait))
    try:
        yield
    finally:
        stop.set()
        await task
