"""Connections of HTTP/1.1 on real sockets: their order, their end, and what is no request."""

import asyncio
import json

import pytest
from asgi_applications import Gate, echo, echo_behind, proceed, read_body, respond, start
from http1_client import GET, POST, get, post, read_head, read_response
from open_servers import connected, play, until

from perdure.server.http1 import Http1Connection
from perdure.server.lobby import Lobby

# -- Order


def test_requests_at_once_are_answered_in_order(run):
    async def scenario():
        async with connected(echo) as (_, reader, writer):
            writer.write(b"".join(get(b"/%d" % number) for number in range(100)))
            return [(await read_response(reader))[2] for _ in range(100)]

    assert run(scenario) == [b"/%d" % number for number in range(100)]


def test_a_request_waits_for_the_answer_to_the_one_before(run):
    async def scenario():
        gate, seen = Gate(), []

        async def first_waits(scope, receive, send):
            seen.append(scope["path"])
            if scope["path"] == "/first":
                await gate.pass_through()
            await echo(scope, receive, send)

        async with connected(first_waits) as (lobby, reader, writer):
            writer.write(get(b"/first") + get(b"/second"))
            await gate.reached.wait()
            (connection,) = lobby.connections
            await until(lambda: connection._paused)
            alone = list(seen)
            gate.opened.set()
            return alone, [(await read_response(reader))[2] for _ in range(2)]

    assert run(scenario) == (["/first"], [b"/first", b"/second"])


def test_an_answer_may_come_before_the_request_has_ended(run):
    async def scenario():
        async def hasty(scope, receive, send):
            if scope["path"] == "/echo":
                await respond(send, b"no")
            else:
                await echo(scope, receive, send)

        async with connected(hasty) as (_, reader, writer):
            writer.write(POST + b"content-length: 200000\r\n\r\n")
            early = await read_response(reader)
            writer.write(b"x" * 200_000 + get(b"/next"))
            return early[2], (await read_response(reader))[2]

    assert run(scenario) == (b"no", b"/next")


# -- The end of a connection


@pytest.mark.parametrize(
    "request_bytes",
    [get(b"/", extra=b"connection: close\r\n"), get(b"/", b"1.0")],
)
def test_a_connection_ends_when_the_client_wants_it(run, request_bytes):
    async def scenario():
        async with connected(echo) as (_, reader, writer):
            writer.write(request_bytes + GET)
            response = await read_response(reader)
            return response[1]["connection"], response[2], await reader.read()

    assert run(scenario) == ("close", b"/", b"")


def test_a_connection_ends_when_the_application_wants_it(run):
    async def scenario():
        async def closing(_scope, _receive, send):
            await respond(send, b"bye", [(b"connection", b"close")])

        async with connected(closing) as (_, reader, writer):
            writer.write(GET + GET)
            return (await read_response(reader))[2], await reader.read()

    assert run(scenario) == (b"bye", b"")


def test_the_last_answer_arrives_although_the_client_still_sends(run):
    async def scenario():
        async def refusing(_scope, _receive, send):
            await respond(send, b"too long", [(b"connection", b"close")])

        async with connected(refusing) as (_, reader, writer):
            writer.write(POST + b"content-length: 2000000\r\n\r\n" + b"x" * 1_000_000)
            response = await read_response(reader)
            writer.write(b"x" * 500_000)
            await writer.drain()
            return response[2], await reader.read()

    assert run(scenario) == (b"too long", b"")


def test_an_old_client_gets_a_stream_to_the_end_of_the_connection(run):
    async def scenario():
        async def streaming(_scope, _receive, send):
            await start(send)
            await proceed(send, b"a", more=True)
            await proceed(send, b"b")

        async with connected(streaming) as (_, reader, writer):
            writer.write(get(b"/", b"1.0"))
            _, headers = await read_head(reader)
            return "transfer-encoding" in headers, await reader.read()

    assert run(scenario) == (False, b"ab")


def test_an_idle_client_is_shown_out_and_a_busy_one_is_not(run):
    async def scenario():
        gate = Gate()
        async with connected(echo_behind(gate)) as (lobby, reader, writer):
            writer.write(GET)
            await gate.reached.wait()
            lobby.expire(-1)
            gate.opened.set()
            response = await read_response(reader)
            lobby.expire(1)
            writer.write(GET)
            again = await read_response(reader)
            lobby.expire(-1)
            return response[2], again[2], await reader.read()

    assert run(scenario) == (b"/", b"/", b"")


@pytest.mark.parametrize("beginning", [b"", b"GET / HT", POST + b"content-length: 9\r\n\r\nabc"])
def test_a_client_that_stops_halfway_is_shown_out(run, beginning):
    async def scenario():
        async with connected(echo) as (lobby, reader, writer):
            writer.write(beginning)
            await until(lambda: lobby.connections)
            (connection,) = lobby.connections
            if beginning.startswith(b"GET"):
                await until(lambda: connection._reader._target)
            elif beginning:
                await until(
                    lambda: connection._current is not None and connection._current.waits_for_client
                )
            lobby.expire(-1)
            return await reader.read()

    assert run(scenario) == b""


# -- What is no request


def test_what_is_no_request_is_refused_after_the_answers_before_it(run):
    async def scenario():
        gate = Gate()
        async with connected(echo_behind(gate)) as (_, reader, writer):
            writer.write(get(b"/1") + get(b"/2") + b"rubbish\r\n\r\n" + get(b"/3"))
            await gate.reached.wait()
            gate.opened.set()
            answers = [(await read_response(reader))[2] for _ in range(2)]
            status, headers, body = await read_response(reader)
            return (
                answers,
                status,
                json.loads(body)["code"],
                headers["connection"],
                (await reader.read()),
            )

    assert run(scenario) == ([b"/1", b"/2"], 400, 400, "close", b"")


@pytest.mark.parametrize("before", [0, 1])
def test_a_broken_body_is_no_whole_one(run, before):
    async def scenario():
        bodies = []

        async def noting(scope, receive, send):
            bodies.append(await read_body(receive))
            if bodies[-1] is not None:
                await respond(send, bodies[-1])

        async with connected(noting) as (_, reader, writer):
            broken = b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\nrubbish\r\n"
            writer.write(post(b"whole") * before + POST + broken)
            responses = [await read_response(reader) for _ in range(before + 1)]
            return [status for status, _, _ in responses], bodies, await reader.read()

    statuses, bodies, rest = run(scenario)
    assert statuses == [200] * before + [400]
    assert b"abc" not in bodies
    assert rest == b""


def test_two_framings_are_refused(run):
    async def scenario():
        async with connected(echo) as (_, reader, writer):
            writer.write(
                POST + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + GET
            )
            return (await read_response(reader))[0], await reader.read()

    assert run(scenario) == (400, b"")


# -- Expectations


def test_a_client_that_asks_is_told_to_go_on(run):
    async def scenario():
        async with connected(echo) as (_, reader, writer):
            writer.write(POST + b"expect: 100-continue\r\ncontent-length: 5\r\n\r\n")
            told = await reader.readuntil(b"\r\n\r\n")
            writer.write(b"hello" + get(b"/next"))
            return told, (await read_response(reader))[2], (await read_response(reader))[2]

    assert run(scenario) == (b"HTTP/1.1 100 Continue\r\n\r\n", b"hello", b"/next")


def test_a_client_that_asks_and_does_not_wait_is_not_told(run):
    async def scenario():
        async with connected(echo) as (_, reader, writer):
            writer.write(POST + b"expect: 100-continue\r\ncontent-length: 5\r\n\r\nhello")
            return (await read_response(reader))[2]

    assert run(scenario) == b"hello"


def test_after_an_answer_instead_of_a_word_nothing_is_taken_for_a_request(run):
    async def scenario():
        seen = []

        async def refusing(scope, _receive, send):
            seen.append(scope["path"])
            await respond(send, b"no")

        async with connected(refusing) as (_, reader, writer):
            writer.write(POST + b"expect: 100-continue\r\ncontent-length: 100\r\n\r\n")
            _, headers, _ = await read_response(reader)
            writer.write(get(b"/smuggled"))
            return headers["connection"], await reader.read(), seen

    assert run(scenario) == ("close", b"", ["/echo"])


# -- Tasks and writes


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="tasks start later here")
def test_tasks_may_start_at_once():
    async def scenario():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        async with connected(echo) as (lobby, reader, writer):
            writer.write(post(b"a") + GET + post(b"b"))
            bodies = [(await read_response(reader))[2] for _ in range(3)]
            await until(lambda: not lobby.under_way)
            return bodies

    result = play(scenario())
    assert result == [b"a", b"/", b"b"]


def test_a_response_in_one_piece_is_one_write():
    class Wire(asyncio.Transport):
        def __init__(self):
            super().__init__()
            self.written = []

        def write(self, data):
            self.written.append(data)

        def is_closing(self):
            return False

        def pause_reading(self):
            pass

        def resume_reading(self):
            pass

    async def scenario():
        lobby, wire = Lobby(echo), Wire()
        connection = Http1Connection(lobby)
        connection.connection_made(wire)
        connection.data_received(GET + GET)
        await until(lambda: len(wire.written) == 2 and not lobby.under_way)
        return wire.written

    written = play(scenario())
    assert all(data.startswith(b"HTTP/1.1 200 OK\r\n") for data in written)
    assert all(data.endswith(b"\r\n\r\n/") for data in written)
