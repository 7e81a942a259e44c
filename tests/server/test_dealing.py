"""Connections that one door accepts and several halls serve."""

import asyncio
import contextlib
import errno
import os

import pytest
from asgi_applications import read_body, respond
from http1_client import GET, read_response
from open_servers import until

from perdure.server.dealing import Dealer
from perdure.server.doors import Door, bind, bind_file
from perdure.server.halls import Hall

GRACE_S = 20


def named(name):
    """Give an application that answers with its name."""

    async def application(_scope, receive, send):
        await read_body(receive)
        await respond(send, name)

    return application


@contextlib.asynccontextmanager
async def dealing(listener, *takers):
    """Serve on a socket with two halls, and with whoever else takes connections."""
    door, other = Door(named(b"first"), listener), Hall(named(b"other"), streams_max=10)
    other.open()
    await door.start([other.take, *takers])
    try:
        yield door
    finally:
        await door.stop(GRACE_S)
        await other.close(GRACE_S)


async def ask(door):
    if isinstance(door.address, str):
        reader, writer = await asyncio.open_unix_connection(door.address)
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    with contextlib.closing(writer):
        writer.write(GET)
        return (await read_response(reader))[2]


@pytest.mark.parametrize("unix", [False, True])
def test_connections_are_dealt_in_turn(run, tmp_path, unix):
    async def scenario():
        listener = bind_file(tmp_path / "d.sock") if unix else bind("127.0.0.1", 0, "--port")
        async with dealing(listener) as door:
            return [await ask(door) for _ in range(4)]

    assert run(scenario) == [b"first", b"other", b"first", b"other"]


def test_what_nobody_else_takes_is_served_here(run):
    async def scenario():
        async with dealing(bind("127.0.0.1", 0, "--port"), lambda _connection: False) as door:
            return [await ask(door) for _ in range(3)]

    assert run(scenario) == [b"first", b"other", b"first"]


def test_a_crowd_is_let_in_together(run):
    async def scenario():
        async with dealing(bind("127.0.0.1", 0, "--port")) as door:
            answers = await asyncio.gather(*(ask(door) for _ in range(200)))
            return answers.count(b"first"), answers.count(b"other")

    assert run(scenario) == (100, 100)


class Exhausted:
    """A socket that cannot be accepted from for a while."""

    def __init__(self, listener, failures):
        self._listener = listener
        self._failures = failures
        self.setblocking, self.fileno = listener.setblocking, listener.fileno

    def accept(self):
        if self._failures:
            raise self._failures.pop()
        return self._listener.accept()


def test_connections_wait_while_files_are_short(run):
    async def scenario():
        with bind("127.0.0.1", 0, "--port") as listener:
            number = errno.EMFILE
            gone = [ConnectionAbortedError(), OSError(number, os.strerror(number))]
            taken = []
            dealer = Dealer(
                Exhausted(listener, gone), [lambda each: taken.append(each) or True], 0.01
            )
            dealer.start()
            _, writer = await asyncio.open_connection(*listener.getsockname())
            with contextlib.closing(writer):
                await until(lambda: taken)
                dealer.close()
                taken[0].close()
            return gone

    assert run(scenario) == []


def test_a_door_that_deals_no_more_lets_nobody_in(run):
    async def scenario():
        async with dealing(bind("127.0.0.1", 0, "--port")) as door:
            assert await ask(door) == b"first"
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await ask(door)

    run(scenario)
