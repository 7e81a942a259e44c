"""Exchanges over real sockets, with servers that behave and servers that do not."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from jh2._hazmat import Encoder

from perdure.transport.client_http import HttpClient
from perdure.transport.exchanges import LostError, NotHttp2Error, PartedError, Request
from perdure.transport.http2_frames import (
    END_HEADERS,
    END_STREAM,
    ErrorCode,
    FrameType,
    frame,
    settings_frame,
)
from perdure.transport.http2_limits import Http2Limits
from perdure.transport.network import NetworkOptions, Origin

REQUEST = Request("POST", "/x", (("a", "b"),))
DEADLINE_S = 10
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
HEAD_2 = frame(
    FrameType.HEADERS, END_HEADERS, 1, bytes(Encoder().encode([(b":status", b"200", False)]))
)
HELLO_2 = settings_frame({})


class Answer:
    """Gathers a response."""

    def __init__(self) -> None:
        self.status = 0
        self.body = b""
        self.result: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def head(self, status, _headers):
        self.status = status

    def data(self, data):
        self.body += data

    def end(self):
        self.result.set_result(self.body)

    def lost(self, error):
        self.result.set_exception(error)


class Server:
    """Answers each connection with the next script: bytes to wait for, then bytes to send."""

    def __init__(self, *scripts: list[tuple[bytes, bytes]], keep: bool = False) -> None:
        self.scripts = list(scripts)
        self.keep = keep
        self.connections = 0
        self.said = b""
        self.serving: dict[asyncio.Task, asyncio.StreamWriter] = {}

    async def serve(self, reader, writer):
        self.serving[asyncio.current_task()] = writer
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        with contextlib.suppress(OSError):
            for expected, answer in script:
                heard = b""
                while expected not in heard:
                    chunk = await reader.read(65536)
                    if not chunk:
                        break
                    heard += chunk
                self.said += heard
                writer.write(answer)
                await writer.drain()
            if self.keep:
                await reader.read()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def stop(self) -> None:
        for writer in self.serving.values():
            writer.transport.abort()
        await asyncio.gather(*self.serving)


def exchange_with(
    server: Server, steps, *, http2: bool = False, limits: Http2Limits | None = None, **options
) -> None:
    """Run a test with a client of a server."""

    async def main():
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        client = HttpClient(NetworkOptions(http2=limits or Http2Limits(), **options))
        async with asyncio.timeout(DEADLINE_S):
            try:
                await steps(client, Origin("http", "127.0.0.1", port, http2))
            finally:
                await client.close()
                listening.close()
                await server.stop()
                await listening.wait_closed()

    asyncio.run(main())


async def ask(client, origin, body=b"hello", request=REQUEST):
    answer = Answer()
    exchange = client.open(origin, request, answer)
    exchange.send(body)
    exchange.end()
    return await answer.result


def test_http1_sends_chunks_and_uses_connections_again():
    server = Server([(b"0\r\n\r\n", OK), (b"0\r\n\r\n", OK)])

    async def steps(client, origin):
        assert await ask(client, origin) == b"ok"
        assert await ask(client, origin, b"x" * 20_000) == b"ok"

    exchange_with(server, steps)
    assert server.connections == 1
    assert server.said.startswith(b"POST /x HTTP/1.1\r\nhost: 127.0.0.1:")
    assert b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n" in server.said
    assert b"4000\r\n" in server.said


def test_http1_asks_again_when_an_idle_connection_was_closed():
    server = Server([(b"0\r\n\r\n", OK)])

    async def steps(client, origin):
        for _ in range(3):
            assert await ask(client, origin) == b"ok"

    exchange_with(server, steps)
    assert server.connections == 3


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nok",
        b"what?\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20_000,
        b"",
    ],
)
def test_http1_a_server_that_breaks_off_is_told(answer):
    async def steps(client, origin):
        with pytest.raises(LostError):
            await ask(client, origin)

    exchange_with(Server([(b"0\r\n\r\n", answer)]), steps)


def test_http1_a_response_may_end_with_its_connection():
    async def steps(client, origin):
        assert await ask(client, origin) == b"all of it"

    exchange_with(Server([(b"0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nall of it")]), steps)


def test_http2_answers():
    answer = HEAD_2 + frame(FrameType.DATA, END_STREAM, 1, b"ok")
    server = Server([(b"PRI * HTTP/2.0", HELLO_2), (b"hello", answer)], keep=True)

    async def steps(client, origin):
        assert await ask(client, origin) == b"ok"

    exchange_with(server, steps, http2=True)


def test_http2_a_server_that_vanishes_is_told():
    server = Server([(b"PRI", HELLO_2), (b"hello", HEAD_2)])

    async def steps(client, origin):
        with pytest.raises(LostError, match="closed"):
            await ask(client, origin)

    exchange_with(server, steps, http2=True)
    assert server.connections == 1


def test_http2_a_connection_that_was_closing_is_replaced():
    whole = HEAD_2 + frame(FrameType.DATA, END_STREAM, 1, b"ok")
    server = Server(
        [(b"PRI", HELLO_2), (b"hello", frame(FrameType.GOAWAY, 0, 0, bytes(8)))],
        [(b"PRI", HELLO_2), (b"hello", whole)],
    )

    async def steps(client, origin):
        assert await ask(client, origin) == b"ok"

    exchange_with(server, steps, http2=True)
    assert server.connections == 2


def test_http2_a_server_that_always_refuses_is_told():
    goaway = frame(FrameType.GOAWAY, 0, 0, bytes(8))
    server = Server([(b"PRI", HELLO_2), (b"hello", goaway)])

    async def steps(client, origin):
        with pytest.raises(PartedError):
            await ask(client, origin)

    exchange_with(server, steps, http2=True)
    assert 1 < server.connections <= 4


def test_http2_a_stream_that_is_refused_everywhere_is_nobody_s_failure():
    code = bytes((0, 0, 0, ErrorCode.REFUSED_STREAM))
    refusals = [(b"hello", frame(FrameType.RST_STREAM, 0, number, code)) for number in (1, 3, 5)]
    server = Server([(b"PRI", HELLO_2), *refusals], keep=True)

    async def steps(client, origin):
        with pytest.raises(PartedError, match="REFUSED_STREAM"):
            await ask(client, origin)

    exchange_with(server, steps, http2=True)


def test_http2_what_comes_at_once_gets_as_many_connections_as_it_needs():
    """Nobody asks later, and nothing ends: what waits is all there is to go by."""
    server = Server([(b"PRI", HELLO_2)], keep=True)

    async def steps(client, origin):
        asked = [asyncio.ensure_future(ask(client, origin)) for _ in range(3)]
        while server.connections < 3:  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0.005)
        await client.close()
        assert {type(each) for each in await asyncio.gather(*asked, return_exceptions=True)} == {
            LostError
        }

    exchange_with(server, steps, http2=True, limits=Http2Limits(streams=1))


@pytest.mark.parametrize("code", [0, 11])
def test_http2_a_server_that_leaves_as_soon_as_it_is_there_is_told_at_once(code):
    goaway = frame(FrameType.GOAWAY, 0, 0, bytes(7) + bytes((code,)))
    server = Server([(b"PRI", HELLO_2 + goaway)])

    async def steps(client, origin):
        with pytest.raises(LostError):
            await ask(client, origin)

    exchange_with(server, steps, http2=True)
    assert server.connections <= 4


def test_http2_a_server_that_closes_as_soon_as_it_is_there_is_told_at_once():
    async def steps(client, origin):
        with pytest.raises(LostError, match=r"clos|broke"):
            await ask(client, origin)

    exchange_with(Server([(b"PRI", HELLO_2)]), steps, http2=True, connect_timeout_s=60.0)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_http2_a_server_that_does_not_speak_it_is_told(answer):
    async def steps(client, origin):
        with pytest.raises(NotHttp2Error):
            await ask(client, origin)

    exchange_with(Server([(b"PRI", answer)]), steps, http2=True)


def test_http2_a_silent_server_is_not_waited_for():
    async def steps(client, origin):
        with pytest.raises(LostError, match=r"did not answer within 0\.1 s") as caught:
            await ask(client, origin)
        assert type(caught.value) is LostError, "it may well speak HTTP/2"

    exchange_with(Server([], keep=True), steps, http2=True, connect_timeout_s=0.1)


def test_http2_a_server_without_a_sign_of_life_is_left():
    server = Server([(b"PRI", HELLO_2)], keep=True)

    async def steps(client, origin):
        with pytest.raises(LostError, match="no sign of life"):
            await ask(client, origin)

    exchange_with(server, steps, http2=True, ping_interval_s=0.1, ping_timeout_s=0.1)


@pytest.mark.parametrize("http2", [False, True])
def test_what_is_under_way_ends_with_the_client_and_is_not_tried_again(http2):
    server = Server([(b"PRI" if http2 else b"POST", HELLO_2 if http2 else b"")], keep=True)

    async def steps(client, origin):
        asked = asyncio.ensure_future(ask(client, origin))
        while not server.said:  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0.005)
        await client.close()
        with pytest.raises(LostError, match="this server stops"):
            await asked

    exchange_with(server, steps, http2=http2)
    assert server.connections == 1


@pytest.mark.parametrize("http2", [False, True])
def test_nobody_listens(http2):
    async def steps(client, origin):
        nowhere = Origin("http", "127.0.0.1", 1, http2)
        with pytest.raises(LostError, match=r"refused|Connect call failed"):
            await ask(client, nowhere)
        refused = Origin("http", "169.254.169.254", 80, http2)
        with pytest.raises(LostError, match="link-local"):
            await ask(client, refused)

    exchange_with(Server([]), steps)


def test_http2_a_connection_that_takes_nothing_is_given_nothing_more():
    answers = [(b"PRI", HELLO_2), (b"hello", HEAD_2 + frame(FrameType.DATA, END_STREAM, 1, b"ok"))]
    server = Server([(b"PRI", HELLO_2)], answers, keep=True)

    async def steps(client, origin):
        held_up = {asyncio.ensure_future(ask(client, origin, bytes(100_000)))}
        answered: set[asyncio.Future] = set()
        while not answered:
            held_up.add(asyncio.ensure_future(ask(client, origin)))
            answered, held_up = await asyncio.wait(
                held_up, timeout=0.05, return_when=asyncio.FIRST_COMPLETED
            )
        assert [await each for each in answered] == [b"ok"]
        assert server.connections == 2
        await client.close()
        lost = await asyncio.gather(*held_up, return_exceptions=True)
        assert {type(each) for each in lost} == {LostError}

    exchange_with(server, steps, http2=True, ping_interval_s=60.0, ping_timeout_s=0.1)
