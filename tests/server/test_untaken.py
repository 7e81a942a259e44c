"""What clients do not take of their answers is bounded for all of them together."""

import asyncio
import socket

import pytest
from asgi_applications import respond
from http1_client import GET, read_response
from http2_client import GET as GET2
from http2_client import Conversation
from open_servers import play, serving, until

from perdure.server.untaken import Backlog, Untaken
from perdure.transport.http2_frames import END_STREAM, Setting, settings_frame

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("waiting", "cut"),
    [
        ({"a": (1, 50), "b": (2, 50)}, []),
        ({"a": (3, 50), "b": (1, 30), "c": (2, 30)}, ["b", "c"]),
        ({"a": (1, 1), "b": (2, 101)}, ["a", "b"]),
        ({"a": (1, 101), "b": (2, 70)}, ["a"]),
        ({}, []),
    ],
)
def test_beyond_the_bound_those_are_cut_off_who_took_nothing_the_longest(waiting, cut):
    gone = []

    async def scenario():
        backlog = Backlog(
            100,
            lambda: [
                Untaken(since, size, lambda name=name: gone.append(name))
                for name, (since, size) in waiting.items()
            ],
        )
        backlog.add(60)
        backlog.add(60)
        assert not gone, "the one who adds is amid an answer"
        await asyncio.sleep(0)
        # What was taken meanwhile does not count any more.
        backlog.add(100 - sum(size for name, (_, size) in waiting.items() if name not in gone))
        await asyncio.sleep(0)

    play(scenario())
    assert gone == cut


def test_clients_that_take_nothing_make_room_for_others(run):
    async def large(_scope, _receive, send):
        await respond(send, b"x" * (32 * MIB))

    async def scenario():
        async with serving(large, untaken_bytes_max=48 * MIB) as (lobby, port):
            lazy = [await lingering(lobby, port) for _ in range(4)]
            await until(lambda: len(lobby.connections) == 1)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(GET)
            status, _, body = await read_response(reader)
            writer.close()
            for client in lazy:
                client.close()
            return status, len(body)

    assert run(scenario) == (200, 32 * MIB)


async def lingering(lobby, port):
    """Connect, ask, and read nothing; give the socket once its answer waits."""
    before = set(lobby.connections)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    client.sendall(GET)
    await until(lambda: any(each.untaken() for each in lobby.connections - before))
    lobby.now += 1
    return client


def test_a_stream_tells_what_waits_for_its_client():
    world = Conversation(settings_frame({Setting.INITIAL_WINDOW_SIZE: 10}))
    lost = []
    exchange = world.open(fields=GET2, flags=END_STREAM)
    exchange.watch_disconnect(lambda: lost.append(1))

    async def answer():
        await respond(exchange.send, b"x" * 5000)

    play(answer())
    world.said()
    (untaken,) = world.machine.untaken()
    assert (untaken.since, untaken.size, world.kept) == (0.0, 4990, 5000)
    untaken.cut_off()
    assert lost
    assert [what for what, *_ in world.told()] == ["rst_stream"]
    assert list(world.machine.untaken()) == []
