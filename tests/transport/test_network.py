"""Connecting to names that stand for several addresses, of which some do not answer."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
import ssl
import sys
from collections.abc import Iterator

import pytest
import trustme
import uvloop

from perdure.transport.network import Network, NetworkOptions, Origin, first_reached

pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.skipif(sys.platform != "linux", reason="needs all of 127.0.0.0/8"),
]

DEADLINE_S = 10
GOOD, HOLE, CLOSED, SECURE, PLAIN = (f"127.0.0.{number}" for number in range(1, 6))


class Kept(asyncio.Protocol):
    """Keeps its transport."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport


@contextlib.contextmanager
def swallowing(port: int) -> Iterator[None]:
    """Have an address that takes no connection and refuses none: its queue is full."""
    with contextlib.ExitStack() as stack:
        hole = stack.enter_context(socket.socket())
        hole.bind((HOLE, port))
        hole.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect((HOLE, port))
        yield


class Peer:
    """Takes connections on one address; may be one that speaks first."""

    def __init__(self, greeting: bytes = b"") -> None:
        self.greeting = greeting
        self.ended = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.greeting)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await reader.read()
        writer.transport.abort()
        await asyncio.sleep(0.01)
        self.ended.set()


def play(scenario):
    async def run() -> None:
        peer = Peer()
        server = await asyncio.start_server(peer.serve, GOOD, 0)
        port = server.sockets[0].getsockname()[1]
        async with server, asyncio.timeout(DEADLINE_S):
            with swallowing(port):
                await scenario(peer, port)

    for runner in (asyncio.run, uvloop.run):
        runner(run())
        gc.collect()  # what was not closed warns


@pytest.mark.parametrize(
    "addresses", [(HOLE, GOOD), (CLOSED, GOOD), (HOLE, CLOSED, GOOD), (GOOD, HOLE), (GOOD,)]
)
def test_an_address_that_does_not_answer_hides_no_other(addresses):
    async def scenario(peer, port):
        address, reached = await first_reached([(each, port) for each in addresses])
        assert address == (GOOD, port)
        assert reached.getpeername() == (GOOD, port)
        reached.close()
        await peer.ended.wait()

    play(scenario)


def test_nobody_takes_a_connection():
    async def scenario(_peer, port):
        with pytest.raises(ConnectionRefusedError, match="Connection refused"):
            await first_reached([(CLOSED, port), (CLOSED, port)])

    play(scenario)


def test_a_connection_that_is_not_waited_for_any_longer_is_let_go():
    async def scenario(_peer, port):
        before = asyncio.all_tasks()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await first_reached([(HOLE, port), (HOLE, port)])
        await asyncio.sleep(0.05)
        assert asyncio.all_tasks() == before

    play(scenario)


def test_what_speaks_no_tls_hides_no_address_that_does(monkeypatch, tmp_path):
    """As where ``localhost`` is two addresses, and something else listens on the first."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("shop.example").configure_cert(context)

    async def scenario(_peer, port):
        async def resolve(_network, _origin):
            return [(PLAIN, port), (SECURE, port)]

        monkeypatch.setattr(Network, "_resolve", resolve)
        plain, secure = Peer(b"220 mail.example\r\n"), Peer()
        async with (
            await asyncio.start_server(plain.serve, PLAIN, port),
            await asyncio.start_server(secure.serve, SECURE, port, ssl=context),
        ):
            network = Network(NetworkOptions(ca_file=tmp_path / "ca.pem"))
            origin = Origin("https", "shop.example", port)
            protocol, _ = await network.connect(origin, Kept, ("h2",))
            assert protocol.transport.get_extra_info("peername") == (SECURE, port)
            protocol.transport.close()
            await asyncio.gather(plain.ended.wait(), secure.ended.wait())

    play(scenario)
