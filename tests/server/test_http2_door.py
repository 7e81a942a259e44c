"""HTTP/2 with prior knowledge through a door, with clients that others wrote."""

import asyncio
import contextlib
import shutil
import socket

import httpx
import pytest
from asgi_applications import read_body, respond
from http2_client import GET, SETTINGS, frames
from jh2._hazmat import Encoder
from open_servers import DEADLINE_S, opened, until

from perdure.protocol.direct_http import DirectApplication
from perdure.server.http2_connection import Http2Connection
from perdure.server.http2_sender import STREAMS_MAX
from perdure.server.lobby import Lobby
from perdure.transport.http2_frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    PREFACE,
    ErrorCode,
    FrameType,
    frame,
    read_goaway,
)

SETTINGS_TAKEN = frame(FrameType.SETTINGS, ACK, 0)
PING = frame(FrameType.PING, 0, 0, bytes(8))


class Application:
    """Answers with the body it got; under ``/wait`` only when told to, under ``/fail`` not."""

    def __init__(self):
        self.started = asyncio.Event()
        self.released = asyncio.Event()
        self.left = asyncio.Event()

    async def __call__(self, scope, receive, send):
        if scope["path"] == "/fail":
            raise ValueError("on purpose")
        body = await read_body(receive)
        if scope["path"] == "/wait":
            scope["extensions"]["perdure.disconnect"](self.left.set)
            self.started.set()
            await self.released.wait()
        await respond(send, body or scope["http_version"].encode())


class Wire:
    """A transport that keeps what is written."""

    def __init__(self):
        self.written = []

    def write(self, data):
        self.written.append(data)

    def get_extra_info(self, _name):
        return None


class Answering(DirectApplication):
    """Answers at once."""

    def begin(self, _head, client):
        client.respond(200, (), b"here")


class Planless:
    """A loop on which nothing is planned."""

    def call_soon(self, *_what):
        raise AssertionError("planned for later")


def test_what_data_brings_about_goes_out_with_it_and_once():
    async def scene():
        lobby = Lobby(Answering())
        connection, wire = Http2Connection(lobby), Wire()
        connection.connection_made(wire)
        await asyncio.sleep(0)  # The greeting goes out.
        wire.written.clear()
        lobby.loop = Planless()
        block = bytes(Encoder().encode([(*field, False) for field in GET]))
        ask = frame(FrameType.HEADERS, END_HEADERS | END_STREAM, 1, block)
        connection.data_received(SETTINGS + ask)
        (written,) = wire.written
        assert [stream for _, _, stream, _ in frames(written)] == [0, 1, 1]
        with pytest.raises(AssertionError, match="planned"):
            connection.wanted()

    asyncio.run(scene())


def client_of(door):
    url = f"http://127.0.0.1:{door.port}"
    return httpx.AsyncClient(http1=False, http2=True, base_url=url, timeout=DEADLINE_S)


@contextlib.asynccontextmanager
async def connected(door, hello=PREFACE + SETTINGS):
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    with contextlib.closing(writer):
        writer.write(hello)
        yield reader, writer


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_is_served(run):
    async def scenario():
        async with opened(Application()) as door:
            curl = await asyncio.create_subprocess_exec(
                *["curl", "-sS", "-w", " over %{http_version}", "-d", "hello"],
                *["--http2-prior-knowledge", f"http://127.0.0.1:{door.port}/x"],
                stdout=asyncio.subprocess.PIPE,
            )
            return (await curl.communicate())[0]

    assert run(scenario) == b"hello over 2"


def test_many_requests_share_a_connection(run):
    async def scenario():
        async with opened(Application()) as door, client_of(door) as client:
            responses = await asyncio.gather(
                *(client.post("/", content=b"%d" % number) for number in range(200))
            )
            (connection,) = door._hall._lobby.connections
            assert connection._machine.idle
            return [int(response.text) for response in responses]

    assert run(scenario) == list(range(200))


def test_large_bodies_go_both_ways(run):
    async def scenario():
        async with opened(Application()) as door, client_of(door) as client:
            body = bytes(range(256)) * 12_000
            return (await client.post("/", content=body)).content == body

    assert run(scenario)


def test_both_versions_are_spoken_on_one_port(run):
    async def scenario():
        async with opened(Application()) as door, client_of(door) as new:
            old = httpx.AsyncClient(base_url=new.base_url)
            responses = await new.get("/"), await old.get("/")
            await old.aclose()
            return tuple(response.text for response in responses)

    assert run(scenario) == ("2", "1.1")


def test_a_failed_application_is_excused(run):
    async def scenario():
        async with opened(Application()) as door, client_of(door) as client:
            response = await client.get("/fail")
            return response.status_code, response.json()["code"]

    assert run(scenario) == (500, 500)


@pytest.mark.parametrize("cut", [1, 5, len(PREFACE) - 1, len(PREFACE) + 3])
def test_the_preface_may_come_in_pieces(run, cut):
    async def scenario():
        hello = PREFACE + SETTINGS + PING
        async with opened(Application()) as door, connected(door, hello[:cut]) as (reader, writer):
            await asyncio.sleep(0.01)
            writer.write(hello[cut:])
            return await reader.readuntil(PING[:3] + b"\x06\x01")

    assert run(scenario)


@pytest.mark.parametrize("hello", [b"P", b"PRI * HTTP/1.1\r\n\r\n", b"PRINT / HTTP/1.1\r\n\r\n"])
def test_what_only_looks_like_the_preface_is_no_http2(run, hello):
    async def scenario():
        async with opened(Application()) as door, connected(door, hello) as (reader, writer):
            writer.write(b"\r\n\r\n")
            return await reader.read(12)

    assert run(scenario) == b"HTTP/1.1 400"


def test_a_client_that_goes_away_is_noticed(run):
    async def scenario():
        application = Application()
        async with opened(application) as door, client_of(door) as client:
            waiting = asyncio.create_task(client.get("/wait"))
            await application.started.wait()
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting
            await client.aclose()
            await application.left.wait()
            application.released.set()

    run(scenario)


def test_a_door_that_stops_says_so_and_lets_requests_end(run):
    async def scenario():
        application = Application()
        async with opened(application) as door, connected(door) as (reader, writer):
            block = bytes(Encoder().encode([(*each, False) for each in wait_for(GET)]))
            writer.write(frame(FrameType.HEADERS, END_HEADERS | END_STREAM, 1, block))
            await application.started.wait()
            stopping = asyncio.create_task(door.stop(DEADLINE_S))
            await asyncio.sleep(0)
            application.released.set()
            said = await reader.read()
            await stopping
            return [(each[0], each[2], each[3]) for each in frames(said)]

    said = run(scenario)
    assert said[-2] == (FrameType.DATA, 1, b"2")
    assert said[-1][0] is FrameType.GOAWAY
    assert read_goaway(said[-1][2]) == (1, ErrorCode.NO_ERROR)


def wait_for(fields):
    return [(name, b"/wait" if name == b":path" else value) for name, value in fields]


def test_requests_that_do_not_end_in_time_are_excused(run):
    async def scenario():
        application = Application()
        async with opened(application) as door, client_of(door) as client:
            waiting = asyncio.create_task(client.get("/wait"))
            await application.started.wait()
            await door.stop(0)
            return (await waiting).status_code

    assert run(scenario) == 503


def test_who_breaks_the_rules_is_told(run):
    async def scenario():
        async with opened(Application()) as door, connected(door) as (reader, writer):
            writer.write(frame(FrameType.DATA, 0, 1, b"x"))
            return frames(await reader.read())[-1]

    type_, _, _, payload = run(scenario)
    assert type_ is FrameType.GOAWAY
    assert read_goaway(payload) == (0, ErrorCode.PROTOCOL_ERROR)


def test_who_breaks_the_rules_at_once_hears_that_and_nothing_else(run, caplog):
    """What was about to be said when the connection ended is not said after its end."""

    async def scenario():
        hello = PREFACE + SETTINGS + frame(FrameType.DATA, 0, 1, b"x")
        async with opened(Application()) as door, connected(door, hello) as (reader, _):
            return frames(await reader.read())[-1][0]

    assert run(scenario) is FrameType.GOAWAY
    assert [each.getMessage() for each in caplog.records] == []


def test_idle_connections_end(run):
    async def scenario():
        async with opened(Application()) as door:
            async with connected(door, b"") as (silent, _):
                await until(lambda: door._hall._lobby.connections)
                door._hall._lobby.now += 1000
                door._hall._lobby.expire(10)
                assert await silent.read() == b""
            async with connected(door) as (greeted, _):
                greeting = await greeted.readuntil(SETTINGS_TAKEN)
                door._hall._lobby.now += 1000
                door._hall._lobby.expire(10)
                return frames(greeting + await greeted.read())[-1][0]

    assert run(scenario) is FrameType.GOAWAY


def test_a_client_that_does_not_read_is_cut_off(run):
    async def scenario():
        application = Application()
        async with opened(application) as door:
            with socket.create_connection(("127.0.0.1", door.port)) as client:
                client.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_sendall(client, PREFACE + SETTINGS)
                with contextlib.suppress(ConnectionError):
                    while True:
                        await loop.sock_sendall(client, PING * 1000)

    run(scenario)


def test_floods_of_taken_back_requests_leave_nothing_behind(run):
    async def scenario():
        application = Application()
        async with opened(application) as door, connected(door) as (reader, writer):
            encoder = Encoder()
            for number in range(4 * STREAMS_MAX):
                block = bytes(encoder.encode([(*each, False) for each in wait_for(GET)]))
                stream_id = 2 * number + 1
                writer.write(frame(FrameType.HEADERS, END_HEADERS | END_STREAM, stream_id, block))
                writer.write(frame(FrameType.RST_STREAM, 0, stream_id, bytes(4)))
            said = frames(await reader.read())
            application.released.set()
            return said[-1], len(door._hall._lobby.under_way)

    (type_, _, _, payload), tasks = run(scenario)
    assert type_ is FrameType.GOAWAY
    assert read_goaway(payload)[1] == ErrorCode.ENHANCE_YOUR_CALM
    assert tasks <= STREAMS_MAX
