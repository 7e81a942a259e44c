"""Applications that are called back with the pieces of a request, over both versions of HTTP."""

from __future__ import annotations

import asyncio
import functools
from contextlib import asynccontextmanager

import httpx
import pytest

from perdure.protocol.direct_http import StreamingApplication
from perdure.server.doors import Door, bind

DEADLINE_S = 20


def on_a_loop(test):
    """Run a test as the only thing on an event loop."""

    @functools.wraps(test)
    def run(**fixtures):
        asyncio.run(test(**fixtures))

    return run


class Echo(StreamingApplication):
    """Says each piece of a body again, in the callback that brought it."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    def begin(self, _head, stream):
        stream.start(200, [])
        stream.listen(lambda piece, more: stream.proceed(piece, more=more), self.gone.set)


class Clumsy(StreamingApplication):
    """Fails at what the path says, or behind the first piece of its answer."""

    def begin(self, head, stream):
        if head.path == "/begin":
            raise ValueError("on purpose")

        if head.path != "/early":
            stream.start(200, [])
            stream.proceed(b"hello", more=True)
        stream.listen(lambda _piece, _more: stream.fail(ValueError("on purpose")), lambda: None)


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
async def test_an_answer_to_nobody_is_dropped(client):
    gone = asyncio.Event()

    class Late(StreamingApplication):
        def begin(self, _head, stream):
            stream.listen(lambda _piece, _more: None, gone.set)
            stream.start(200, [])
            stream.proceed(b"hello", more=True)
            self.stream = stream

    late = Late()
    async with serving(late) as url, asyncio.timeout(DEADLINE_S):
        async with client, client.stream("POST", url) as response:
            assert await anext(response.aiter_bytes()) == b"hello"
        await gone.wait()
        late.stream.proceed(b"anybody?", more=False)


@on_a_loop
async def test_who_fails_before_the_answer_begins_is_excused(client, caplog):
    async with serving(Clumsy()) as url, client, asyncio.timeout(DEADLINE_S):
        answers = [await client.post(url + path, content=b"x") for path in ("begin", "early")]
    assert [answer.status_code for answer in answers] == [500, 500]
    assert caplog.text.count("ValueError: on purpose") == 2


@on_a_loop
async def test_an_answer_that_breaks_off_is_not_taken_for_the_whole(client, caplog):
    async with serving(Clumsy()) as url, client, asyncio.timeout(DEADLINE_S):
        for _ in range(2):  # the connection of others goes on
            with pytest.raises(httpx.RemoteProtocolError):
                await client.post(url + "late", content=b"x")
    assert "an application failed to answer a request" in caplog.text


@on_a_loop
async def test_who_streams_when_the_door_closes_is_told_and_ends(client):
    echo, held = Echo(), asyncio.Event()

    async def endless():
        yield b"x"
        held.set()
        await asyncio.sleep(DEADLINE_S)

    door = Door(echo, bind("127.0.0.1", 0, "--port"))
    await door.start()
    async with client, asyncio.timeout(DEADLINE_S):
        url = f"http://127.0.0.1:{door.port}/"
        asking = asyncio.ensure_future(client.post(url, content=endless()))
        await held.wait()
        await door.stop(0.01)
        assert echo.gone.is_set()
        asking.cancel()
