"""Connections on real sockets: order, bounds, and clients that behave badly."""

import asyncio
import contextlib
import json
import logging
import socket
import struct

import pytest

from perdure.server.http1 import Http1Connection
from perdure.server.lobby import Lobby

DEADLINE_S = 20
GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
POST = b"POST /echo HTTP/1.1\r\nhost: x\r\n"
MIB = 1024 * 1024


def get(path, version=b"1.1", extra=b""):
    return b"GET %b HTTP/%b\r\nhost: x\r\n%b\r\n" % (path, version, extra)


def post(body):
    return POST + b"content-length: %d\r\n\r\n%b" % (len(body), body)


async def start(send, headers=(), status=200):
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def proceed(send, body, *, more=False):
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def respond(send, body, headers=()):
    await start(send, headers)
    await proceed(send, body)


async def read_body(receive):
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            return body
    return None


async def echo(scope, receive, send):
    """Answer with the body, or with the path if there is none."""
    body = await read_body(receive)
    if body is not None:
        await respond(send, body or scope["path"].encode())


class Gate:
    """Lets an application wait."""

    def __init__(self):
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def pass_through(self):
        self.reached.set()
        await self.opened.wait()


@contextlib.asynccontextmanager
async def serving(application):
    """Serve an application; give what its connections share, and the port."""
    lobby = Lobby(application)
    server = await asyncio.get_running_loop().create_server(
        lambda: Http1Connection(lobby), "127.0.0.1", 0
    )
    try:
        yield lobby, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(lobby.tasks):
            task.cancel()
        for connection in tuple(lobby.connections):
            connection.abort()
        await until(lambda: not lobby.connections and not lobby.tasks)


@contextlib.asynccontextmanager
async def connected(application):
    """Serve an application to one client; give what connections share, and both streams."""
    async with serving(application) as (lobby, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.closing(writer):
            yield lobby, reader, writer


async def until(condition):
    """Wait for something that nobody tells of."""
    while not condition():  # noqa: ASYNC110 - what is waited for is no event
        await asyncio.sleep(0.005)


async def read_head(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")[:-2]
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines)


async def read_response(reader):
    status, headers = await read_head(reader)
    return status, headers, await reader.readexactly(int(headers["content-length"]))


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request):
    """Run a scenario, on either event loop."""
    factory = asyncio.new_event_loop
    if request.param == "uvloop":
        factory = pytest.importorskip("uvloop").new_event_loop

    def run_scenario(scenario):
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(asyncio.wait_for(scenario(), DEADLINE_S))

    return run_scenario


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

        async def slow(scope, receive, send):
            await gate.pass_through()
            await echo(scope, receive, send)

        async with connected(slow) as (lobby, reader, writer):
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

        async def slow(scope, receive, send):
            await gate.pass_through()
            await echo(scope, receive, send)

        async with connected(slow) as (_, reader, writer):
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


# -- Flow


def test_a_client_has_to_wait_while_its_body_is_not_taken(run):
    async def scenario():
        gate = Gate()

        async def slow(scope, receive, send):
            await gate.pass_through()
            await echo(scope, receive, send)

        async with connected(slow) as (lobby, reader, writer):
            body = b"x" * (16 * MIB)
            writer.write(post(body))
            await gate.reached.wait()
            (connection,) = lobby.connections
            await until(lambda: connection._paused)
            held = connection._current.buffered
            gate.opened.set()
            return held < MIB, (await read_response(reader))[2] == body

    assert run(scenario) == (True, True)


def test_an_application_has_to_wait_while_its_answer_is_not_taken(run):
    async def scenario():
        sent = []

        async def streaming(_scope, _receive, send):
            await start(send, [(b"content-length", b"%d" % (64 * MIB))])
            for number in range(64):
                await proceed(send, b"x" * MIB, more=number < 63)
                sent.append(number)

        async with connected(streaming) as (lobby, reader, writer):
            writer.write(GET)
            await until(lambda: lobby.connections)
            (connection,) = lobby.connections
            await until(lambda: not connection.writable.is_set())
            before = len(sent)
            body = (await read_response(reader))[2]
            await until(lambda: len(sent) == 64)
            return before < 60, len(body)

    assert run(scenario) == (True, 64 * MIB)


def test_a_client_that_takes_nothing_is_cut_off_in_the_end(run):
    async def scenario():
        lost = asyncio.Event()

        async def streaming(_scope, receive, send):
            await read_body(receive)
            try:
                await start(send)
                while True:
                    await proceed(send, b"x" * MIB, more=True)
            except ConnectionResetError:
                lost.set()

        async with serving(streaming) as (lobby, port):
            with socket.create_connection(("127.0.0.1", port)) as client:
                client.sendall(GET)
                await until(lambda: lobby.connections)
                (connection,) = lobby.connections
                await until(lambda: not connection.writable.is_set())
                # What it has taken up to now is noted at the first look.
                await until(lambda: lobby.expire(-1) or lost.is_set())

    run(scenario)


# -- Clients that go away


@pytest.mark.parametrize("pieces", [1, 2])
def test_a_reset_at_any_byte_leaves_nothing_behind(run, pieces, caplog):
    chunked = POST + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    stream = post(b"hello") + chunked + GET

    async def scenario():
        async with serving(echo) as (lobby, port):
            for cut in range(len(stream) + 1):
                client = socket.create_connection(("127.0.0.1", port))
                for piece in (stream[: cut // pieces], stream[cut // pieces : cut]):
                    client.sendall(piece)
                    await asyncio.sleep(0)
                # Close with a reset instead of a farewell.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with contextlib.closing(writer):
                writer.write(GET)
                response = await read_response(reader)
            await until(lambda: not lobby.connections and not lobby.tasks)
            return response[2]

    with caplog.at_level(logging.WARNING):
        assert run(scenario) == b"/"
    assert caplog.records == []


def test_an_application_that_listens_hears_of_the_end(run):
    async def scenario():
        heard = asyncio.get_running_loop().create_future()

        async def listening(_scope, receive, _send):
            await read_body(receive)
            heard.set_result((await receive())["type"])

        async with connected(listening) as (lobby, _, writer):
            writer.write(GET)
            await until(lambda: lobby.tasks)
            writer.close()
            return await heard

    assert run(scenario) == "http.disconnect"


@pytest.mark.parametrize("late", [False, True])
def test_an_application_that_asks_is_called_back(run, late):
    async def scenario():
        called, gate = asyncio.Event(), Gate()

        async def asking(scope, receive, _send):
            await read_body(receive)
            if late:
                await gate.pass_through()
            scope["extensions"]["perdure.disconnect"](called.set)
            gate.reached.set()
            await called.wait()

        async with connected(asking) as (lobby, _, writer):
            writer.write(GET)
            await gate.reached.wait()
            writer.close()
            await until(lambda: not lobby.connections)
            gate.opened.set()
            await called.wait()
            await until(lambda: not lobby.tasks)

    run(scenario)


def test_who_asks_no_more_is_not_called_back(run):
    async def scenario():
        gate, called = Gate(), []

        async def asking(scope, receive, _send):
            await read_body(receive)
            watch = scope["extensions"]["perdure.disconnect"]
            watch(lambda: called.append("lost"))
            watch(None)
            await gate.pass_through()

        async with connected(asking) as (lobby, _, writer):
            writer.write(GET)
            await gate.reached.wait()
            writer.close()
            await until(lambda: not lobby.connections)
            return called

    assert run(scenario) == []


def test_after_its_answer_an_application_hears_of_the_end(run):
    async def scenario():
        heard = asyncio.get_running_loop().create_future()

        async def curious(_scope, receive, send):
            await read_body(receive)
            await respond(send, b"done")
            heard.set_result((await receive())["type"])

        async with connected(curious) as (_, reader, writer):
            writer.write(GET)
            await read_response(reader)
            return await heard

    assert run(scenario) == "http.disconnect"


# -- Applications that fail


async def fails_before(_scope, _receive, _send):
    raise LookupError("a bug")


async def answers_nothing(_scope, _receive, _send):
    pass


async def begins_only(_scope, _receive, send):
    await start(send)


async def splits_a_header(_scope, _receive, send):
    await respond(send, b"", [(b"x", b"a\r\nset-cookie: b")])


async def sends_strange_things(_scope, _receive, send):
    await send({"type": "http.response.trailers"})


@pytest.mark.parametrize(
    "application",
    [fails_before, answers_nothing, begins_only, splits_a_header, sends_strange_things],
)
def test_a_failing_application_is_answered_for(run, application):
    async def scenario():
        async with connected(application) as (_, reader, writer):
            writer.write(GET + GET)
            status, headers, body = await read_response(reader)
            return status, headers["connection"], json.loads(body)["code"], await reader.read()

    assert run(scenario) == (500, "close", 500, b"")


def test_what_was_not_finished_does_not_look_finished(run):
    async def scenario():
        async def fails_halfway(_scope, _receive, send):
            await start(send)
            await proceed(send, b"half", more=True)
            raise LookupError("a bug")

        async with connected(fails_halfway) as (_, reader, writer):
            writer.write(GET)
            try:
                return await reader.read()
            except ConnectionResetError:
                return b""

    assert not run(scenario).endswith(b"0\r\n\r\n")


@pytest.mark.skipif(not hasattr(asyncio, "eager_task_factory"), reason="tasks start later here")
def test_tasks_may_start_at_once():
    async def scenario():
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
        async with connected(echo) as (lobby, reader, writer):
            writer.write(post(b"a") + GET + post(b"b"))
            bodies = [(await read_response(reader))[2] for _ in range(3)]
            await until(lambda: not lobby.tasks)
            return bodies

    result = asyncio.run(asyncio.wait_for(scenario(), DEADLINE_S))
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
        await until(lambda: len(wire.written) == 2 and not lobby.tasks)
        return wire.written

    written = asyncio.run(asyncio.wait_for(scenario(), DEADLINE_S))
    assert all(data.startswith(b"HTTP/1.1 200 OK\r\n") for data in written)
    assert all(data.endswith(b"\r\n\r\n/") for data in written)
