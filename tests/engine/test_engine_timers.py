"""The alarm clock: every timer is proposed once it is due, and none before."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from engine_world import ident
from virtual_time import VirtualClock

from perdure.core.model.records import TimersFired
from perdure.core.model.timers import Timer, TimerKind
from perdure.core.tables.keys import INSTANT_MAX, timer_key
from perdure.core.tables.recent import Recent
from perdure.core.tables.tables import Tables
from perdure.engine import timers
from perdure.engine.ports import StorageError
from perdure.engine.timers import BACKLOG_MAX, BURST, TOGETHER, WAIT_S_MAX, Timers
from perdure.storage.memory_store import MemoryStore


class Alarms:
    """A table of timers, an alarm clock on it, and what rang when."""

    def __init__(self, window: int = 4) -> None:
        self.tables = Tables(MemoryStore())
        self.clock = VirtualClock()
        self.start_ms = self.clock.now_ms()
        self.rang: list[tuple[int, Timer]] = []
        #: How many timers each record held.
        self.sizes: list[int] = []
        #: How long a record takes until it is applied, in seconds.
        self.applied_after_s = 0.003
        #: Records that wait for the log.
        self.waiting = 0
        self.failures: list[StorageError] = []
        self.timers = Timers(
            self.tables,
            self.clock,
            self.propose,
            self.failures.append,
            window,
            lambda: self.waiting,
        )

    def propose(self, body: TimersFired, on_reply: Callable[[None], None]) -> None:
        """Take timers off the table, as their record does some time later."""
        now = self.clock.now_ms() - self.start_ms
        self.rang += [(now, timer) for timer in body.timers]
        self.sizes.append(len(body.timers))

        def apply() -> None:
            for timer in body.timers:
                self.tables.timers.delete(timer_key(timer))
            on_reply(None)

        asyncio.get_running_loop().call_later(self.applied_after_s, apply)

    def timer(self, after_ms: int, number: int = 0) -> Timer:
        return Timer(self.start_ms + after_ms, TimerKind.SLEEP, ident("A"), number)

    def store(self, after_ms: int, number: int = 0) -> Timer:
        """Write a timer to the table without telling the clock."""
        timer = self.timer(after_ms, number)
        self.tables.timers.put(timer_key(timer), b"")
        return timer

    def arm(self, after_ms: int, number: int = 0) -> Timer:
        timer = self.store(after_ms, number)
        self.timers.arm(timer)
        return timer

    @property
    def rang_at(self) -> list[int]:
        return [at for at, _ in self.rang]

    @property
    def numbers(self) -> list[int]:
        return [timer.number for _, timer in self.rang]


async def test_a_timer_rings_when_it_is_due():
    alarms = Alarms()
    alarms.arm(1_500)
    await asyncio.sleep(1.4)
    assert alarms.rang == []
    await asyncio.sleep(0.2)
    assert alarms.rang_at == [1_500]


async def test_timers_ring_in_the_order_in_which_they_are_due():
    alarms = Alarms()
    for number, after_ms in enumerate([300, 100, 200, 100]):
        alarms.arm(after_ms, number)
    await asyncio.sleep(1)
    assert alarms.rang_at == [100, 100, 200, 300]
    assert alarms.numbers == [1, 3, 2, 0]


async def test_what_is_due_together_goes_into_few_records():
    alarms = Alarms(window=1_000)
    for number in range(2 * TOGETHER + 5):
        alarms.arm(100, number)
    for number in range(3):
        alarms.arm(150, 1_000 + number)
    await asyncio.sleep(0.12)
    assert alarms.sizes == [TOGETHER, TOGETHER, 5], "and nothing of what is due later"
    assert alarms.numbers == list(range(2 * TOGETHER + 5))
    await asyncio.sleep(0.1)
    assert alarms.sizes[3:] == [3]
    assert alarms.rang_at[-3:] == [150] * 3


async def test_timers_are_behind_while_more_are_due_than_are_taken_at_once():
    alarms = Alarms(window=1_000)
    for number in range(BURST):
        alarms.arm(100, number)
    for number in range(BURST + 1):
        alarms.arm(200, number)
    seen = []
    for _ in range(10):
        await asyncio.sleep(0.05)
        seen.append(alarms.timers.behind())
    assert len(alarms.rang) == 2 * BURST + 1
    assert seen[0] is False
    assert seen[4] is True
    assert seen[9] is False


async def test_what_became_due_while_others_had_their_turn_goes_with_the_rest():
    alarms = Alarms()
    for number, after_ms in enumerate([100, 110, 120, 9_000]):
        alarms.arm(after_ms, number)
    asyncio.get_running_loop().jump(0.2)
    await asyncio.sleep(0.01)
    assert alarms.sizes == [3]
    assert alarms.numbers == [0, 1, 2]


async def test_timers_wait_for_those_that_are_not_applied_yet():
    alarms = Alarms(window=10_000)
    alarms.applied_after_s = 1.0
    for number in range(3 * BURST + 1):
        alarms.store(0, number)
    alarms.timers.load()
    await asyncio.sleep(0.9)
    assert len(alarms.rang) == BURST
    alarms.arm(50, number=5_000)
    await asyncio.sleep(1)
    assert len(alarms.rang) == 2 * BURST
    await asyncio.sleep(3)
    assert sorted(alarms.numbers) == [*range(3 * BURST + 1), 5_000]
    assert max(alarms.sizes) == TOGETHER


async def test_timers_are_read_from_the_table_a_page_at_a_time(monkeypatch):
    monkeypatch.setattr(timers, "PAGE", 2)
    alarms = Alarms(window=100)
    for number, after_ms in enumerate([500, 100, 300, 200, 400]):
        alarms.store(after_ms, number)
    alarms.timers.load()
    alarms.arm(150, number=5)
    alarms.arm(450, number=6)
    await asyncio.sleep(1)
    assert alarms.numbers == [1, 5, 3, 2, 4, 6, 0]
    assert alarms.rang_at == [100, 150, 200, 300, 400, 450, 500]


async def test_timers_wait_while_others_crowd_the_log():
    alarms = Alarms()
    alarms.waiting = BACKLOG_MAX
    alarms.arm(100)
    await asyncio.sleep(1)
    alarms.arm(50, number=1)
    assert alarms.rang == []
    alarms.waiting = BACKLOG_MAX - 1
    await asyncio.sleep(0.1)
    assert alarms.numbers == [1, 0]
    assert all(1_000 <= at < 1_010 for at in alarms.rang_at)


async def test_timers_that_wait_for_the_log_are_stopped_too():
    alarms = Alarms()
    alarms.waiting = BACKLOG_MAX
    alarms.arm(100)
    await asyncio.sleep(1)
    alarms.timers.stop()
    alarms.waiting = 0
    await asyncio.sleep(1)
    assert alarms.rang == []


async def test_an_earlier_timer_is_not_kept_waiting_by_a_later_one():
    alarms = Alarms()
    alarms.arm(60_000)
    await asyncio.sleep(0.05)
    alarms.arm(100)
    await asyncio.sleep(0.1)
    assert alarms.rang_at == [100]


async def test_what_is_overdue_rings_at_once():
    alarms = Alarms()
    alarms.store(-5_000)
    alarms.timers.load()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert alarms.rang_at == [0]


# -- The time of day changes


async def test_a_clock_that_is_set_back_makes_no_timer_early():
    alarms = Alarms()
    alarms.arm(10_000)
    await asyncio.sleep(9)
    alarms.clock.set_by_ms = -60_000
    await asyncio.sleep(60)
    assert alarms.rang == []
    await asyncio.sleep(2)
    assert alarms.rang_at == [10_000], "by the clock that the timer was armed on"


async def test_a_clock_that_is_set_forward_is_noticed_soon():
    alarms = Alarms()
    alarms.arm(3_600_000)
    await asyncio.sleep(1)
    alarms.clock.set_by_ms = 3_600_000
    await asyncio.sleep(WAIT_S_MAX + 1)
    assert len(alarms.rang) == 1


async def test_a_loop_that_was_held_up_rings_late_and_once():
    alarms = Alarms()
    alarms.arm(100)
    asyncio.get_running_loop().jump(5)
    await asyncio.sleep(1)
    assert alarms.rang_at == [5_000]


async def test_a_timer_for_the_end_of_time_costs_a_look_now_and_then():
    alarms = Alarms()
    far = Timer(INSTANT_MAX, TimerKind.START, ident("A"))
    alarms.tables.timers.put(timer_key(far), b"")
    alarms.timers.load()
    await asyncio.sleep(3_600)
    assert alarms.rang == []


# -- The window


@pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 8, 9, 50])
async def test_all_that_is_stored_rings_however_small_the_window(count):
    alarms = Alarms(window=4)
    for number in range(count):
        alarms.store(100 * number, number)
    alarms.timers.load()
    await asyncio.sleep(60)
    assert alarms.numbers == list(range(count))
    assert alarms.rang_at == [100 * number for number in range(count)]


async def test_many_timers_of_one_moment_all_ring():
    alarms = Alarms(window=4)
    for number in range(50):
        alarms.store(1_000, number)
    alarms.timers.load()
    await asyncio.sleep(2)
    assert alarms.numbers == list(range(50))


async def test_timers_armed_before_and_behind_the_horizon_ring_in_their_turn():
    alarms = Alarms(window=4)
    for number in range(10):
        alarms.store(1_000 * (number + 1), number)
    alarms.timers.load()
    alarms.arm(500, 100)
    alarms.arm(4_500, 104)
    alarms.arm(9_500, 109)
    alarms.arm(20_000, 120)
    await asyncio.sleep(30)
    assert alarms.numbers == [100, 0, 1, 2, 3, 104, 4, 5, 6, 7, 8, 109, 9, 120]


async def test_a_window_that_overflows_forgets_only_what_the_table_holds():
    alarms = Alarms(window=4)
    for number in reversed(range(40)):
        alarms.arm(1_000 + 10 * number, number)
    assert len(alarms.timers._heap) <= 8
    await asyncio.sleep(5)
    assert alarms.numbers == list(range(40))


async def test_a_burst_leaves_the_loop_room_to_breathe():
    alarms = Alarms(window=10_000)
    for number in range(2 * BURST + 10):
        alarms.store(0, number)
    alarms.timers.load()
    turns = [0]
    while len(alarms.rang) < 2 * BURST + 10:
        await asyncio.sleep(0.001)
        turns.append(len(alarms.rang))
    steps = [after - before for before, after in pairwise(turns)]
    assert max(steps) == BURST


async def test_what_was_disarmed_while_it_was_out_of_the_window_does_not_ring():
    alarms = Alarms(window=2)
    for number in range(6):
        alarms.store(1_000 * (number + 1), number)
    alarms.timers.load()
    alarms.tables.timers.delete(timer_key(alarms.timer(5_000, 4)))
    await asyncio.sleep(10)
    assert alarms.numbers == [0, 1, 2, 3, 5]


@pytest.mark.parametrize("seed", range(20))
async def test_nothing_is_lost_and_nothing_is_early(seed):
    chance = random.Random(seed)
    alarms = Alarms(window=chance.choice([1, 3, 8]))
    expected = {alarms.store(chance.randrange(20_000), number) for number in range(10)}
    alarms.timers.load()
    for number in range(10, 80):
        await asyncio.sleep(chance.choice([0, 0, 0.2, 1]))
        now = alarms.clock.now_ms() - alarms.start_ms
        expected.add(alarms.arm(now + chance.randrange(8_000), number))
    await asyncio.sleep(60)
    assert {timer for _, timer in alarms.rang} == expected
    assert len(alarms.rang) == len(expected)
    for at, timer in alarms.rang:
        assert 0 <= at - (timer.due_at - alarms.start_ms) <= 1


# -- The end


async def test_nothing_rings_after_the_end_not_even_what_is_armed_then():
    alarms = Alarms()
    alarms.arm(100)
    alarms.timers.stop()
    alarms.arm(200)
    await asyncio.sleep(60)
    assert alarms.rang == []


async def test_timers_that_cannot_be_read_are_no_secret(monkeypatch):
    alarms = Alarms(window=1)
    for number in range(2):
        alarms.store(100, number)
    alarms.timers.load()
    error = StorageError("input/output error")

    def scan(*_bounds):
        raise error

    monkeypatch.setattr(Recent, "scan", scan)
    await asyncio.sleep(1)
    assert alarms.numbers == [0]
    assert alarms.failures == [error]
