"""The ingress below a path of another application, served by another server."""

import asyncio
import contextlib
import socket

import uvicorn
from ingress_support import MemoryEngine
from starlette.applications import Starlette
from starlette.routing import Mount

from perdure.ingress.app import Ingress

DEADLINE_S = 20


async def until_started(server):
    while not server.started:  # noqa: ASYNC110 - uvicorn offers nothing to wait for
        await asyncio.sleep(0.005)


def talk(scenario):
    """Run a scenario with an engine, and one connection to an application that mounts it."""

    async def run():
        engine = MemoryEngine()
        application = Starlette(routes=[Mount("/durable", Ingress(engine))])
        config = uvicorn.Config(application, lifespan="off", log_config=None, ws="none")
        server = uvicorn.Server(config)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.ensure_future(server.serve(sockets=[listener]))
            await until_started(server)
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            with contextlib.closing(writer):
                result = await asyncio.wait_for(scenario(engine, reader, writer), DEADLINE_S)
            server.should_exit = True
            await serving
        return result

    return asyncio.run(run())


def request(path):
    return (
        b"POST /durable%b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
        b'content-type: application/json\r\ncontent-length: 3\r\n\r\n"x"' % path
    )


def test_calls_are_answered():
    async def scenario(_engine, reader, writer):
        writer.write(request(b"/Greeter/greet"))
        return await reader.read()

    response = talk(scenario)
    assert response.startswith(b"HTTP/1.1 200 OK\r\n")
    assert response.endswith(b'\r\n\r\n"x"')


def test_a_client_that_hangs_up_is_no_longer_waited_for():
    async def scenario(engine, _reader, writer):
        writer.write(request(b"/Greeter/slow"))
        await engine.has_accepted.wait()
        writer.close()
        await engine.has_forgotten.wait()

    talk(scenario)
