"""Retention: what is past its time is swept soon after, in portions, and never in a hurry."""

from __future__ import annotations

import asyncio

from engine_world import DAY_MS, ident
from virtual_time import VirtualClock

from perdure.core.machine.actions import WatchExpiry
from perdure.core.machine.apply import Machine
from perdure.core.model.invocations import Retention
from perdure.core.model.records import AnnounceLeader, Ended, Invoke, Progress, Record
from perdure.core.model.targets import HandlerKind, Target
from perdure.core.tables.tables import Tables
from perdure.engine.janitor import INTERVAL_MS_MAX, SWEEP_LIMIT, Janitor
from perdure.protocol.messages import Input, Output, Value
from perdure.storage.memory_store import MemoryStore

GREET = Target("Greeter", "greet", HandlerKind.SERVICE)
MINUTE_MS = 60_000


class Kept:
    """Ended invocations, and the janitor that has them forgotten."""

    def __init__(self, interval_ms: int = 1_000) -> None:
        self.tables = Tables(MemoryStore())
        self.machine = Machine(self.tables)
        self.clock = VirtualClock()
        self.start_ms = self.clock.now_ms()
        self.sweeps: list[int] = []
        self.count = 0
        self.janitor = Janitor(self.tables, self.clock, self.propose, interval_ms)
        self.apply(AnnounceLeader(1))

    def propose(self, body) -> None:
        """Apply a sweep as the log does: a little later."""
        self.sweeps.append(self.clock.now_ms() - self.start_ms)
        asyncio.get_running_loop().call_later(0.001, self.apply, body)

    def apply(self, body) -> None:
        actions, _ = self.machine.apply(Record(1, self.clock.now_ms(), body))
        for action in actions:
            if isinstance(action, WatchExpiry):
                self.janitor.watch(action.expires_at)

    def end(self, completion_ms: int, journal_ms: int | None = None) -> None:
        """Let an invocation begin and end, to be kept for so long."""
        self.count += 1
        name = ident(str(self.count))
        kept = Retention(completion_ms, completion_ms if journal_ms is None else journal_ms)
        self.apply(Invoke(name, GREET, Input(Value(b"")), kept))
        self.apply(Progress(name, self.count, (Output(Value(b"")),), ending=Ended()))

    @property
    def left(self) -> int:
        return len(self.tables.invocations.scan(b"", b"\xff" * 25, 10_000))


async def test_what_is_kept_for_a_while_is_forgotten_soon_after():
    kept = Kept()
    kept.end(MINUTE_MS)
    await asyncio.sleep(59)
    assert kept.left == 1
    await asyncio.sleep(3)
    assert kept.left == 0
    assert len(kept.sweeps) == 1
    await asyncio.sleep(7_200)
    assert len(kept.sweeps) == 1, "nothing is left to look for"


async def test_a_journal_goes_before_its_result():
    kept = Kept()
    kept.end(3 * MINUTE_MS, journal_ms=MINUTE_MS)
    await asyncio.sleep(62)
    assert kept.left == 1
    assert kept.tables.journals.rows(ident("1")) == []
    await asyncio.sleep(120)
    assert kept.left == 0
    assert len(kept.sweeps) == 2


async def test_what_expires_first_is_looked_up_at_the_start():
    kept = Kept()
    kept.end(MINUTE_MS)
    kept.janitor.stop()
    kept.janitor = Janitor(kept.tables, kept.clock, kept.propose, 1_000)
    await asyncio.sleep(90)
    assert kept.left == 1
    kept.janitor.load()
    await asyncio.sleep(2)
    assert kept.left == 0


async def test_an_empty_table_needs_no_sweep():
    kept = Kept()
    kept.janitor.load()
    await asyncio.sleep(7_200)
    assert kept.sweeps == []


async def test_a_shorter_retention_is_not_kept_waiting_by_a_longer_one():
    kept = Kept()
    kept.end(DAY_MS)
    await asyncio.sleep(1)
    kept.end(2 * MINUTE_MS)
    await asyncio.sleep(125)
    assert kept.left == 1


async def test_one_sweep_takes_what_expires_about_the_same_time():
    kept = Kept(interval_ms=60_000)
    for _ in range(100):
        kept.end(MINUTE_MS)
        await asyncio.sleep(0.1)
    await asyncio.sleep(180)
    assert kept.left == 0
    assert len(kept.sweeps) <= 3


async def test_a_backlog_is_swept_in_portions_without_a_rush():
    kept = Kept()
    for _ in range(4 * SWEEP_LIMIT + 1):
        kept.end(1_000)
    kept.janitor.stop()
    kept.janitor = Janitor(kept.tables, kept.clock, kept.propose, 1_000)
    await asyncio.sleep(3_600)
    began = kept.clock.now_ms() - kept.start_ms
    kept.janitor.load()
    await asyncio.sleep(5)
    assert kept.left == 0
    assert len(kept.sweeps) == 5
    assert kept.sweeps[-1] - began < 1_000, "it catches up"
    gaps = [later - sooner for sooner, later in zip(kept.sweeps, kept.sweeps[1:], strict=False)]
    assert min(gaps) >= 20


async def test_steady_work_makes_one_sweep_an_interval():
    kept = Kept()
    for _ in range(300):
        kept.end(500)
        await asyncio.sleep(0.1)
    assert len(kept.sweeps) <= 31


async def test_an_interval_of_nothing_is_no_busy_loop():
    kept = Kept(interval_ms=0)
    kept.end(0, 0)
    kept.end(1)
    await asyncio.sleep(0.9)
    assert kept.sweeps == []
    await asyncio.sleep(0.2)
    assert kept.left == 0


async def test_a_clock_that_is_set_back_makes_it_look_again_later():
    kept = Kept()
    kept.end(10_000)
    await asyncio.sleep(9)
    kept.clock.set_by_ms = -MINUTE_MS
    await asyncio.sleep(30)
    assert kept.left == 1
    assert len(kept.sweeps) <= 1
    await asyncio.sleep(60)
    assert kept.left == 0


async def test_a_clock_that_is_set_forward_is_noticed_within_the_hour():
    kept = Kept()
    kept.end(DAY_MS)
    kept.clock.set_by_ms = 2 * DAY_MS
    await asyncio.sleep(INTERVAL_MS_MAX / 1000 + 1)
    assert kept.left == 0


async def test_nothing_is_swept_after_the_end():
    kept = Kept()
    kept.end(1_000)
    kept.janitor.stop()
    kept.end(2_000)
    await asyncio.sleep(60)
    assert kept.sweeps == []
