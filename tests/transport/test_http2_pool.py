"""Exchanges that wait for a connection, and connections that have room for them."""

from __future__ import annotations

import asyncio
import weakref

from http2_peer import REQUEST, SETTINGS, Listener
from jh2._hazmat import Encoder

from perdure.transport.exchanges import Exchange
from perdure.transport.http2_connection import Http2Connection
from perdure.transport.http2_frames import END_HEADERS, END_STREAM, FrameType, frame
from perdure.transport.http2_pool import Http2Pool
from perdure.transport.network import NetworkOptions, Origin, UnreachableError

PATIENCE_S = 0.05
DEADLINE_S = 10
ORIGIN = Origin("http", "127.0.0.1", 9)


class Network:
    """Connects to nobody, and says so when it is told to."""

    def __init__(self, patience_s: float) -> None:
        self.options = NetworkOptions(connect_timeout_s=patience_s)
        self.given_up = asyncio.Event()

    async def connect(self, _origin, _factory, _alpn):
        await self.given_up.wait()
        raise UnreachableError("nobody is there")


class Waiting:
    """Learns when it need not wait any longer, and why."""

    def __init__(self) -> None:
        self.began = asyncio.get_running_loop().time()
        self.lost_at: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.reason = ""

    def head(self, _status, _headers):
        raise AssertionError("nobody answers")

    def lost(self, error):
        self.reason = str(error)
        self.lost_at.set_result(asyncio.get_running_loop().time())


def test_each_exchange_waits_for_as_long_as_it_may():
    async def main():
        pool = Http2Pool(ORIGIN, Network(PATIENCE_S))
        exchanges = []
        for _ in range(3):
            exchanges.append(Waiting())
            pool.open(Exchange(REQUEST, exchanges[-1]))
            await asyncio.sleep(PATIENCE_S / 3)
        async with asyncio.timeout(DEADLINE_S):
            for each in exchanges:
                waited_s = await each.lost_at - each.began
                assert waited_s >= PATIENCE_S * 0.99
                assert each.reason == f"no connection within {PATIENCE_S:g} s"
        await pool.close()

    asyncio.run(main())


def test_nothing_is_kept_of_an_exchange_that_does_not_wait_any_longer():
    async def main():
        network = Network(3600)
        pool = Http2Pool(ORIGIN, network)
        waiting = Waiting()
        exchange = Exchange(REQUEST, waiting)
        pool.open(exchange)
        network.given_up.set()
        async with asyncio.timeout(DEADLINE_S):
            await waiting.lost_at
        assert waiting.reason == "nobody is there"
        freed = asyncio.Event()
        weakref.finalize(waiting, freed.set)
        del exchange, waiting
        async with asyncio.timeout(DEADLINE_S):
            await freed.wait()
        await pool.close()

    asyncio.run(main())


class Socket:
    """Takes what is said, and hears nothing of it."""

    def __init__(self) -> None:
        self.closed = False

    def set_write_buffer_limits(self, _high):
        pass

    def write(self, _data):
        pass

    def close(self):
        self.closed = True

    abort = close


class Looking:
    """A pool that notes how much had been heard whenever there is more room."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        self.looks: list[int] = []

    def changed(self, _connection):
        self.looks.append(sum("end" in each.heard for each in self.listeners))

    def again(self, exchange, reason):
        raise AssertionError(reason)

    def broken(self, exchange, error):
        exchange.lose(error)


def carrying(streams: int) -> tuple[Http2Connection, Looking, bytes]:
    """Give a connection with open streams, its pool, and the responses to them all."""
    pool, encoder = Looking(), Encoder()
    connection = Http2Connection(ORIGIN, pool, NetworkOptions())
    connection.connection_made(Socket())
    connection.data_received(SETTINGS)
    responses = b""
    for number in range(streams):
        pool.listeners.append(Listener())
        exchange = Exchange(REQUEST, pool.listeners[-1])
        exchange.end()
        connection.open(exchange)
        head = encoder.encode([(b":status", b"200", False)])
        responses += frame(FrameType.HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, bytes(head))
    pool.looks.clear()
    return connection, pool, responses


def test_room_is_made_known_once_for_all_responses_that_come_together():
    async def main():
        connection, pool, responses = carrying(3)
        connection.data_received(responses)
        assert pool.looks == [3]
        connection.connection_lost(None)

    asyncio.run(main())


def test_room_that_came_before_a_broken_rule_is_made_known():
    async def main():
        connection, pool, responses = carrying(3)
        connection.data_received(responses + frame(FrameType.DATA, 0, 0, b"on no stream"))
        assert pool.looks == [3]
        assert connection.gone
        assert connection._transport.closed
        connection.connection_lost(None)

    asyncio.run(main())


def test_room_that_comes_between_two_pieces_is_made_known_at_once():
    async def main():
        connection, pool, responses = carrying(1)
        exchange = Exchange(REQUEST, Listener())
        connection.open(exchange)
        connection.data_received(responses)
        exchange.cancel()
        assert pool.looks == [1, 1]
        connection.connection_lost(None)

    asyncio.run(main())
