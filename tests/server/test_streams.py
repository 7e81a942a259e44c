"""Applications that are called back with a request, over both versions of HTTP."""

from __future__ import annotations

import asyncio
import functools
from contextlib import asynccontextmanager

import httpx
import pytest

from perdure.protocol.asgi_stream import STREAM_EXTENSION
from perdure.server.doors import Door, bind

DEADLINE_S = 20


def on_a_loop(test):
    """Run a test as the only thing on an event loop."""

    @functools.wraps(test)
    def run(**fixtures):
        asyncio.run(test(**fixtures))

    return run


def start(status=200):
    return {"type": "http.response.start", "status": status, "headers": []}


def body(content, *, more=False):
    return {"type": "http.response.body", "body": content, "more_body": more}


class Echo:
    """Says each piece of a body again, in the callback that brought it."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def __call__(self, scope, _receive, _send):
        stream = scope["extensions"][STREAM_EXTENSION]
        over = asyncio.get_running_loop().create_future()

        def on_body(piece, more):
            stream.answer(body(piece, more=more))
            if not more:
                over.set_result(None)

        def on_disconnect():
            self.gone.set()
            over.cancel()

        stream.answer(start())
        stream.listen(on_body, on_disconnect)
        await over


@asynccontextmanager
async def serving(application):
    door = Door(application, bind("127.0.0.1", 0, "--port"))
    await door.start()
    try:
        yield f"http://127.0.0.1:{door.port}/"
    finally:
        await door.stop(1.0)


@pytest.fixture(params=["http1", "http2"])
def client(request):
    return httpx.AsyncClient(http1=request.param == "http1", http2=request.param == "http2")


async def pieces(*contents):
    for content in contents:
        yield content


@pytest.mark.parametrize("contents", [(), (b"one",), (b"one", b"two"), (b"x" * 300_000,) * 10])
@on_a_loop
async def test_a_body_comes_back(client, contents):
    async with serving(Echo()) as url, client, asyncio.timeout(DEADLINE_S):
        for _ in range(2):
            response = await client.post(url, content=pieces(*contents))
            assert response.content == b"".join(contents)


@on_a_loop
async def test_who_leaves_is_told_of(client):
    echo = Echo()

    async def endless():
        while True:
            yield b"x"
            await asyncio.sleep(0.01)

    async with serving(echo) as url, asyncio.timeout(DEADLINE_S):
        async with client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.post(url, content=endless()), 0.2)
        await echo.gone.wait()


@on_a_loop
async def test_an_answer_to_nobody_is_refused(client):
    refused = asyncio.get_running_loop().create_future()

    async def application(scope, _receive, _send):
        stream = scope["extensions"][STREAM_EXTENSION]
        gone = asyncio.Event()
        stream.listen(lambda _piece, _more: None, gone.set)
        stream.answer(start())
        stream.answer(body(b"hello", more=True))
        await gone.wait()
        try:
            stream.answer(body(b"anybody?"))
        except ConnectionResetError as error:
            refused.set_result(error)

    async with serving(application) as url, asyncio.timeout(DEADLINE_S):
        async with client, client.stream("POST", url) as response:
            assert await anext(response.aiter_bytes()) == b"hello"
        assert isinstance(await refused, ConnectionResetError)
