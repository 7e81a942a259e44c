"""Servers on real sockets for as long as a scenario lasts, and scenarios that end in time."""

from __future__ import annotations

import asyncio
import contextlib

from perdure.server.doors import Door, bind
from perdure.server.http1 import Http1Connection
from perdure.server.lobby import Lobby

#: How long a scenario may take: far longer than it takes.
DEADLINE_S = 60


def play(scenario, loop_factory=None):
    """Run a scenario to its end, but not for ever; give what it gives."""

    async def bounded():
        async with asyncio.timeout(DEADLINE_S):
            return await scenario

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(bounded())


async def until(condition):
    """Wait for something that nobody tells of."""
    while not condition():  # noqa: ASYNC110 - what is waited for is no event
        await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def opened(application):
    """Serve an application through a door; give the door."""
    door = Door(application, bind("127.0.0.1", 0, "--port"))
    await door.start()
    try:
        yield door
    finally:
        await door.stop(0)


@contextlib.asynccontextmanager
async def serving(application, **bounds):
    """Serve an application over HTTP/1.1; give what its connections share, and the port."""
    lobby = Lobby(application, **bounds)
    server = await asyncio.get_running_loop().create_server(
        lambda: Http1Connection(lobby), "127.0.0.1", 0
    )
    try:
        yield lobby, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for exchange in tuple(lobby.under_way):
            exchange.stop()
        for connection in tuple(lobby.connections):
            connection.abort()
        await until(lambda: not lobby.connections and not lobby.under_way)


@contextlib.asynccontextmanager
async def connected(application):
    """Serve an application to one client; give what connections share, and both streams."""
    async with serving(application) as (lobby, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.closing(writer):
            yield lobby, reader, writer
