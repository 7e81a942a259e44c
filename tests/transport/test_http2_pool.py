"""Exchanges that wait for a connection."""

from __future__ import annotations

import asyncio
import weakref

from http2_peer import REQUEST

from perdure.transport.exchanges import Exchange
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
