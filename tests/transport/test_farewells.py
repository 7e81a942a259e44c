"""Services that do not close their side."""

from __future__ import annotations

import asyncio
import functools

from http2_peer import REQUEST, Listener

from perdure.transport.exchanges import Exchange
from perdure.transport.farewells import Farewells

DEADLINE_S = 10


def on_a_loop(test):
    """Run a test as the only thing on an event loop."""

    @functools.wraps(test)
    def run(**fixtures):
        asyncio.run(test(**fixtures))

    return run


class Carrier:
    """A connection that notes when it was given up."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()

    def wake(self) -> None:
        pass

    def cancel(self) -> None:
        self.cancelled.set()


def carried() -> tuple[Exchange, Carrier]:
    exchange, carrier = Exchange(REQUEST, Listener()), Carrier()
    exchange.carry(carrier)
    return exchange, carrier


@on_a_loop
async def test_who_takes_too_long_is_given_up():
    farewells = Farewells(0.01)
    (first, first_carrier), (second, second_carrier) = carried(), carried()
    farewells.begin(first)
    farewells.begin(second)
    async with asyncio.timeout(DEADLINE_S):
        await first_carrier.cancelled.wait()
        await second_carrier.cancelled.wait()
    assert first.over
    assert second.over


@on_a_loop
async def test_who_ends_in_time_is_forgotten():
    farewells = Farewells(0.01)
    (in_time, in_time_carrier), (late, late_carrier) = carried(), carried()
    farewells.begin(in_time)
    farewells.begin(late)
    farewells.end(in_time)
    farewells.end(in_time)
    async with asyncio.timeout(DEADLINE_S):
        await late_carrier.cancelled.wait()
    assert late.over
    assert not in_time.over
    assert not in_time_carrier.cancelled.is_set()


@on_a_loop
async def test_it_looks_again_for_those_who_come_later():
    farewells = Farewells(0.01)
    for _ in range(2):
        exchange, carrier = carried()
        farewells.begin(exchange)
        async with asyncio.timeout(DEADLINE_S):
            await carrier.cancelled.wait()
