"""The simulated event loop keeps asyncio's promises, in simulated time, and dies when told."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from simworld.loop import Scheduler, SimLoop, SpinningError


class Bench:
    def __init__(self):
        self.scheduler = Scheduler()
        self.complaints = []
        self.came = []
        self.loop = self.new_loop()

    def new_loop(self):
        return SimLoop(
            self.scheduler, Random(1), lambda message, error: self.complaints.append(error)
        )

    def run(self, until_s=1e9):
        self.scheduler.run(until_s, lambda: False)


def test_time_is_what_is_waited_for():
    bench = Bench()

    async def wait():
        await asyncio.sleep(3600)
        bench.came.append(asyncio.get_running_loop().time())

    bench.loop.create_task(wait())
    bench.run()
    assert bench.came == [3600.0]


def test_callbacks_come_in_order_and_cancelled_ones_never():
    bench = Bench()
    bench.loop.call_soon(bench.came.append, 1)
    bench.loop.call_later(0.2, bench.came.append, 4)
    bench.loop.call_later(0.1, bench.came.append, 3)
    bench.loop.call_later(0.1, bench.came.append, "no").cancel()
    bench.loop.call_soon(bench.came.append, 2)
    bench.run()
    assert bench.came == [1, 2, 3, 4]


def test_nothing_of_a_dead_loop_goes_on():
    bench = Bench()
    other = bench.new_loop()

    async def wait():
        await asyncio.sleep(2)
        bench.came.append("woke")

    task = bench.loop.create_task(wait())
    other.call_later(1, bench.loop.kill)
    bench.run()
    assert bench.came == []
    assert not task.done()
    task.get_coro().close()


def test_a_frozen_loop_goes_on_later_in_the_same_order():
    bench = Bench()
    other = bench.new_loop()
    for number in range(3):
        bench.loop.call_later(1 + number, bench.came.append, number)
    bench.loop.call_later(1.5, bench.came.append, "never").cancel()
    other.call_later(3.5, lambda: bench.came.append(bench.scheduler.now_s))
    other.call_later(0.5, bench.loop.freeze, 2.0)
    other.call_later(2.5, bench.loop.thaw)
    bench.run()
    assert bench.came == [0, 1, 2, 3.5]


def test_what_a_dead_loop_had_not_begun_is_closed():
    bench = Bench()

    async def never():
        bench.came.append("began")

    bench.loop.create_task(never())
    bench.loop.kill()
    bench.loop.bury()
    bench.run()
    assert bench.came == []


def test_threads_answer_later():
    bench = Bench()

    async def ask():
        bench.came.append(await asyncio.to_thread(lambda: "done"))
        bench.came.append(bench.scheduler.now_s > 0)
        with pytest.raises(KeyError):
            await asyncio.to_thread({}.__getitem__, "missing")

    bench.loop.create_task(ask())
    bench.run()
    assert bench.came == ["done", True]
    assert bench.complaints == []


def test_timeouts_and_groups_work():
    bench = Bench()

    async def work():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await bench.loop.create_future()
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(1))
            group.create_task(asyncio.sleep(2))
        bench.came.append(bench.loop.time())

    bench.loop.create_task(work())
    bench.run()
    assert bench.came == [7.0]


def test_an_error_of_a_callback_is_complained_of():
    bench = Bench()
    bench.loop.call_soon({}.__getitem__, "missing")
    bench.run()
    assert [type(error) for error in bench.complaints] == [KeyError]


def test_who_spins_is_named():
    bench = Bench()

    def spin():
        bench.loop.call_soon(spin)

    bench.loop.call_soon(spin)
    with pytest.raises(SpinningError, match="time stands still"):
        bench.run()
    bench.scheduler.forget()
