"""Clients of HTTP/1.1 that take their time, or go away."""

import asyncio
import contextlib
import logging
import socket
import struct

import pytest
from asgi_applications import Gate, echo, echo_behind, proceed, read_body, respond, start
from http1_client import GET, POST, post, read_response
from open_servers import connected, serving, until

MIB = 1024 * 1024

# -- Clients that take their time


def test_a_client_has_to_wait_while_its_body_is_not_taken(run):
    async def scenario():
        gate = Gate()
        async with connected(echo_behind(gate)) as (lobby, reader, writer):
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
            await until(lambda: not lobby.connections and not lobby.under_way)
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
            await until(lambda: lobby.under_way)
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
            await until(lambda: not lobby.under_way)

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
