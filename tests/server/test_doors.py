"""Doors on real sockets: opening, serving, bounds, and stopping in bounded time."""

import asyncio
import contextlib
import json
import os
import resource
import signal
import socket
import time

import pytest
from asgi_applications import read_body, respond
from http1_client import GET, read_response
from open_servers import opened, until

from perdure.server.doors import Door, DoorError, bind, bind_file
from perdure.server.http1_requests import HEAD_BYTES_MAX
from perdure.server.open_files import connections_max, raise_limit
from perdure.transport.http2_frames import PREFACE

GRACE_S = 20


class Application:
    """Answers with the body it got; under ``/wait`` only when told to."""

    def __init__(self):
        self.started = asyncio.Event()
        self.released = asyncio.Event()
        self.cancelled = False

    async def __call__(self, scope, receive, send):
        body = await read_body(receive) or b""
        if scope["path"] == "/wait":
            self.started.set()
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                self.cancelled = True
                body = b"cancelled"
        await respond(send, body)


async def exchange(door, request):
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    with contextlib.closing(writer):
        writer.write(request)
        return await read_response(reader)


def test_a_door_serves_an_application(run):
    async def scenario():
        async with opened(Application()) as door:
            request = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello"
            return await exchange(door, request)

    status, headers, body = run(scenario)
    assert (status, body) == (200, b"hello")
    assert "date" in headers
    assert "server" not in headers


def test_a_connection_serves_many_requests(run):
    async def scenario():
        async with opened(Application()) as door:
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            with contextlib.closing(writer):
                for _ in range(3):
                    writer.write(GET)
                    assert (await read_response(reader))[0] == 200

    run(scenario)


def test_a_taken_port_is_named_with_its_option():
    with bind("127.0.0.1", 0, "--ingress-port") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DoorError, match=f"RT0004.*{port} on .* is taken.*--ingress-port"):
            bind("127.0.0.1", port, "--ingress-port")


def test_a_host_that_does_not_exist_cannot_be_had():
    with pytest.raises(DoorError, match=r"cannot listen on port 0 of no\.such.*address of this"):
        bind("no.such.host.invalid", 0, "--ingress-host")


def test_a_foreign_address_cannot_be_had():
    with pytest.raises(DoorError, match=r"cannot listen on port 0 of 192\.0\.2\.1"):
        bind("192.0.2.1", 0, "--ingress-host")


def test_a_port_is_free_again_after_the_door_stopped(run):
    async def scenario():
        door = Door(Application(), bind("127.0.0.1", 0, "--port"))
        port = door.port
        await door.start()
        await exchange(door, GET)
        await door.stop(0)
        bind("127.0.0.1", port, "--port").close()

    run(scenario)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_process_that_is_forked_off_does_not_keep_the_port(run):
    async def scenario():
        listener = bind("127.0.0.1", 0, "--port")
        door = Door(Application(), listener)
        await door.start()
        child = os.fork()
        if child == 0:
            os._exit(listener.fileno() != -1)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        answer = await exchange(door, GET)
        await door.stop(0)
        return status, answer[0]

    assert run(scenario) == (0, 200)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("said", [b"", GET, PREFACE])
def test_a_process_that_is_forked_off_does_not_keep_connections(run, said):
    """A client would go on waiting for a server that is gone."""

    async def scenario():
        async with opened(Application()) as door:
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            writer.write(said)
            if said:
                await reader.read(1)
            else:
                await exchange(door, GET)  # By then the door has taken the connection before it.
            child = os.fork()
            if child == 0:
                signal.pause()
            try:
                await door.stop(0)
                await asyncio.wait_for(reader.read(), GRACE_S)
            finally:
                os.kill(child, signal.SIGKILL)
                await asyncio.to_thread(os.waitpid, child, 0)
                writer.close()

    run(scenario)


def test_a_door_that_never_opened_can_be_stopped(run):
    async def scenario():
        listener = bind("127.0.0.1", 0, "--port")
        await Door(Application(), listener).stop(0)
        return listener.fileno()

    assert run(scenario) == -1


def test_the_parts_of_a_response_do_not_wait_for_each_other():
    """Nagle's algorithm would hold back the second one until the client acknowledges the first."""

    with bind("127.0.0.1", 0, "--port") as listener:
        with socket.create_connection(listener.getsockname()):
            connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_a_client_that_loses_its_network_is_noticed(run):
    """Nothing else would tell, for as long as it waits for an answer and sends nothing."""

    async def scenario():
        async with opened(Application()) as door:
            _, writer = await asyncio.open_connection("127.0.0.1", door.port)
            with contextlib.closing(writer):
                await until(lambda: door._hall._lobby.connections)
                (connection,) = door._hall._lobby.connections
                accepted = connection._transport.get_extra_info("socket")
                alive = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
                if not hasattr(socket, "TCP_KEEPIDLE"):
                    return alive != 0, 60
                return alive != 0, accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)

    assert run(scenario) == (True, 60)


def test_what_is_under_way_may_finish(run):
    async def scenario():
        application = Application()
        async with opened(application) as door:
            waiting = asyncio.ensure_future(exchange(door, GET.replace(b"/ ", b"/wait ", 1)))
            await application.started.wait()
            stopping = asyncio.ensure_future(door.stop(GRACE_S))
            await asyncio.sleep(0)
            with pytest.raises(ConnectionError):
                await exchange(door, GET)
            application.released.set()
            await stopping
            return await waiting

    status, headers, body = run(scenario)
    assert (status, body) == (200, b"")
    assert headers["connection"] == "close"


def test_what_does_not_finish_is_cancelled_and_may_still_answer(run):
    async def scenario():
        application = Application()
        async with opened(application) as door:
            waiting = asyncio.ensure_future(exchange(door, GET.replace(b"/ ", b"/wait ", 1)))
            await application.started.wait()
            await door.stop(0.01)
            return application.cancelled, (await waiting)[2]

    assert run(scenario) == (True, b"cancelled")


def test_a_client_that_reads_nothing_does_not_hold_up_the_end(run):
    async def scenario():
        answered = asyncio.Event()

        async def flood(_scope, _receive, send):
            await respond(send, b"x" * 50_000_000)
            answered.set()

        async with opened(flood) as door:
            with socket.create_connection(("127.0.0.1", door.port)) as client:
                client.sendall(GET)
                await answered.wait()
                began = time.monotonic()
                await door.stop(GRACE_S)
                return time.monotonic() - began

    assert run(scenario) < GRACE_S / 2


def test_an_idle_connection_does_not_hold_up_the_end(run):
    async def scenario():
        async with opened(Application()) as door:
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            with contextlib.closing(writer):
                writer.write(GET)
                await read_response(reader)
                began = time.monotonic()
                await door.stop(GRACE_S)
                assert await reader.read() == b""
                return time.monotonic() - began

    assert run(scenario) < GRACE_S / 2


def test_what_is_not_http_is_refused_in_json(run):
    async def scenario():
        async with opened(Application()) as door:
            return await exchange(door, b"hello there\r\n\r\n")

    status, headers, body = run(scenario)
    assert (status, headers["content-type"]) == (400, "application/json")
    assert json.loads(body)["code"] == 400


def test_an_endless_head_is_refused(run):
    async def scenario():
        async with opened(Application()) as door:
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            with contextlib.closing(writer):
                writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n")
                for _ in range(HEAD_BYTES_MAX // 1024 + 300):
                    writer.write(b"x-filler: " + b"x" * 1012 + b"\r\n")
                return await read_response(reader)

    status, _, body = run(scenario)
    assert (status, json.loads(body)["code"]) == (431, 431)


def test_a_long_head_is_not(run):
    async def scenario():
        async with opened(Application()) as door:
            filler = b"x-filler: " + b"x" * 300_000 + b"\r\n\r\n"
            return await exchange(door, GET[:-2] + filler)

    assert run(scenario)[0] == 200


def test_ipv6_takes_ipv4_as_well(run):
    if not socket.has_dualstack_ipv6():
        pytest.skip("this system has no dual stack")

    async def scenario():
        door = Door(Application(), bind("::", 0, "--port"))
        await door.start()
        response = await exchange(door, GET)
        await door.stop(0)
        return response

    assert run(scenario)[0] == 200


@pytest.mark.parametrize(
    "offer",
    [
        b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAEA\r\n",
        b"upgrade: websocket\r\nconnection: keep-alive, upgrade\r\n",
    ],
)
@pytest.mark.parametrize("pieces", [1, 2])
def test_an_offer_to_upgrade_is_declined_and_the_body_kept(run, offer, pieces):
    async def scenario():
        async with opened(Application()) as door:
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            with contextlib.closing(writer):
                head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n" + offer + b"\r\n"
                parts = [head + b"hello"] if pieces == 1 else [head + b"he", b"llo"]
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0.02)
                first = await read_response(reader)
                writer.write(GET)
                return first, await read_response(reader)

    (status, headers, body), (second, _, _) = run(scenario)
    assert (status, body, second) == (200, b"hello", 200)
    assert "upgrade" not in headers


def test_a_door_is_no_proxy(run):
    async def scenario():
        async with opened(Application()) as door:
            return await exchange(door, b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n")

    assert run(scenario)[0] == 400


def test_connections_are_bounded_and_make_room(run):
    async def scenario():
        async with opened(Application()) as door:
            door._hall._lobby.connections_max = 2
            kept = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(2)]
            await until(lambda: len(door._hall._lobby.connections) == 2)
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await exchange(door, GET)
            kept.pop()[1].close()
            await until(lambda: len(door._hall._lobby.connections) == 1)
            assert (await exchange(door, GET))[0] == 200
            kept.pop()[1].close()

    run(scenario)


def test_doors_leave_files_for_others():
    raise_limit()
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert 0 < 2 * connections_max() <= soft


def test_a_door_may_be_a_file_that_outlives_it(run, tmp_path):
    path = tmp_path / "door"

    async def scenario():
        listener = bind_file(path)
        with listener.dup() as kept:
            door = Door(Application(), listener)
            await door.start()
            assert door.address == str(path)
            reader, writer = await asyncio.open_unix_connection(path)
            with contextlib.closing(writer):
                writer.write(GET)
                assert (await read_response(reader))[0] == 200
            await door.stop(GRACE_S)
            assert path.exists()
            again = Door(Application(), kept)
            await again.start()
            await again.stop(GRACE_S)

    run(scenario)


def test_a_file_that_cannot_be_is_told(tmp_path):
    with pytest.raises(DoorError, match=r"cannot listen on .*; use ports"):
        bind_file(tmp_path / "nowhere" / "door")
