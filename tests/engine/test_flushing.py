"""Flushes take several turns of the loop: nothing is applied meanwhile, and nobody reads half."""

from __future__ import annotations

import asyncio

import pytest
from engine_world import A, B, C, ident, invoke, rows_of, settled
from led_partition import Led

from perdure.core.machine.actions import StartAttempt
from perdure.core.model.verdicts import Admission
from perdure.core.tables import changes
from perdure.engine import crowd, flushing, partition
from perdure.engine.errors import UnavailableError
from perdure.engine.ports import StorageError
from perdure.storage.memory_store import MemoryStore

FIRST = [("A", Admission(None)), StartAttempt(A, 1)]
SECOND = [("B", Admission(None)), StartAttempt(B, 2)]


@pytest.fixture(autouse=True)
def slow(monkeypatch):
    """Let every row be much, and take as long as may be encoded in one turn."""
    monkeypatch.setattr(flushing, "FLUSH_ROWS", 1)
    monkeypatch.setattr(flushing, "ENCODE_S", -1.0)
    monkeypatch.setattr(changes, "PIECE_ROWS", 1)
    monkeypatch.setattr(partition, "EARLY_RECORDS", 1)


class WatchedStore(MemoryStore):
    """A store that notes up to where each write has come."""

    def __init__(self):
        super().__init__()
        self.written = []
        self.wrote = asyncio.Event()

    def write(self, changes, lsn):
        super().write(changes, lsn)
        self.written.append(lsn)
        self.wrote.set()


class FullStore(MemoryStore):
    """A store that takes nothing."""

    def write(self, _changes, _lsn):
        raise StorageError("no space left")


async def half_flushed(store=None) -> Led:
    """Give a partition that writes what A changed; B is durable, and waits for that."""
    here = Led(store=store)
    await here.lead()
    here.propose(invoke(A), "A")
    await settled()
    here.propose(invoke(B), "B")
    here.log.commit()
    here.log.commit()
    assert here.came == FIRST
    assert here.partition.flushing
    return here


async def test_the_next_batch_waits_until_all_is_written():
    here = await half_flushed()
    seen = []
    asyncio.get_running_loop().call_soon(lambda: seen.append(here.store.applied_lsn))
    await here.partition.settle()
    assert seen == [0]
    assert here.came == [*FIRST, *SECOND]
    assert not here.partition.flushing
    assert here.store.applied_lsn == here.partition.applied_lsn == 3


async def test_while_a_crowd_waits_more_is_gathered_and_written_behind_it(monkeypatch):
    monkeypatch.setattr(crowd, "CROWD_RECORDS", 2)  # with the one that is applied
    here = Led()
    await here.lead()
    for name, invocation_id in (("A", A), ("B", B)):
        here.propose(invoke(invocation_id), name)
        await settled()
    here.log.commit()
    assert here.came == FIRST
    assert (here.partition.waiting, here.partition.flushing, here.store.applied_lsn) == (
        1,
        False,
        0,
    )
    here.log.commit()
    await here.partition.settle()
    assert here.came == [*FIRST, *SECOND]
    assert here.store.applied_lsn == 3


async def unwritten(behind=lambda: True) -> Led:
    """Give a partition that has gathered what A changed, since timers are behind."""
    here = Led(store=WatchedStore())
    await here.lead(behind)
    here.propose(invoke(A), "A")
    await here.write()
    assert here.came == FIRST
    assert not here.partition.flushing
    return here


async def test_while_timers_are_behind_more_is_gathered():
    behind = True
    here = await unwritten(lambda: behind)
    behind = False
    here.propose(invoke(B), "B")
    await here.write()
    await here.partition.settle()
    assert here.came == [*FIRST, *SECOND]
    assert here.store.written == [3]


async def test_what_was_gathered_is_written_when_the_crowd_is_gone():
    behind = True
    here = await unwritten(lambda: behind)
    await asyncio.sleep(3 * crowd.CALM_S)
    assert here.store.written == []
    behind = False
    await asyncio.sleep(2 * crowd.CALM_S)
    assert here.store.written == [here.partition.applied_lsn] == [2]
    assert not here.partition.flushing
    assert here.came == FIRST


async def test_who_can_wait_lets_others_have_their_turn_while_much_is_written():
    here = await unwritten()
    here.propose(invoke(B), "B")
    await settled()
    flushed = asyncio.ensure_future(here.partition.flush_gently())
    await asyncio.sleep(0)
    assert here.partition.flushing
    here.log.commit()
    assert here.came == FIRST, "nothing is applied meanwhile"
    await flushed
    assert here.store.written[0] == 2
    await here.partition.settle()
    assert here.came == [*FIRST, *SECOND]


async def test_who_can_wait_has_what_is_applied_just_now_written_behind_it(monkeypatch):
    monkeypatch.setattr(partition, "SLICE_S", -1.0)
    here = await unwritten()
    for name, invocation_id in (("B", B), ("C", C)):
        here.propose(invoke(invocation_id), name)
    await settled()
    here.log.commit()
    assert here.came == [*FIRST, *SECOND], "the first slice of two"
    await asyncio.gather(here.partition.flush_gently(), here.partition.flush_gently())
    assert here.came[4] == ("C", Admission(None))
    assert here.store.written == [4]


async def test_little_is_not_waited_for(monkeypatch):
    here = await unwritten()
    monkeypatch.setattr(flushing, "FLUSH_ROWS", 1_000)
    await here.partition.flush_gently()
    assert here.store.written == []


@pytest.mark.parametrize("store", [MemoryStore, FullStore])
async def test_who_waits_for_a_flush_is_told_when_the_partition_stops(store):
    here = Led(store=store())
    await here.lead(lambda: True)
    here.propose(invoke(A), "A")
    await here.write()
    flushed = asyncio.ensure_future(here.partition.flush_gently())
    await asyncio.sleep(0)
    if store is MemoryStore:
        here.partition.fail(StorageError("a crash"))
    await flushed
    assert [type(failure) for failure in here.failures] == [StorageError]
    await here.partition.flush_gently()


async def test_what_is_being_written_can_be_read():
    here = await half_flushed()
    assert here.partition.tables.invocations.get(A).attempt == 1
    assert [key for key, _ in here.partition.tables.running.scan(b"", b"\xff" * 25, 2)] == [A]


async def test_who_cannot_wait_writes_the_rest():
    here = await half_flushed()
    here.partition.flush()
    assert here.store.applied_lsn == here.partition.applied_lsn == 2
    again = Led(here.records)
    again.partition.recover()
    await here.partition.settle()
    assert rows_of(again.store) == rows_of(here.store)
    assert here.came == [*FIRST, *SECOND]


async def just_written() -> Led:
    """Give a partition whose store has all that A changed, in the turn in which it was written."""
    here = await half_flushed(WatchedStore())
    await here.store.wrote.wait()
    assert here.partition.flushing
    assert here.partition.tables.changed
    return here


async def test_what_was_written_is_forgotten_in_another_turn():
    here = await just_written()
    assert here.partition.tables.invocations.get(A).attempt == 1
    assert [key for key, _ in here.partition.tables.running.scan(b"", b"\xff" * 25, 2)] == [A]
    assert here.came == FIRST
    await asyncio.sleep(0)
    assert here.partition.tables.invocations.changed.get(A) is None
    await here.partition.settle()
    assert here.came == [*FIRST, *SECOND]


async def test_nothing_is_written_twice_by_who_cannot_wait():
    here = await just_written()
    here.partition.flush()
    assert here.store.written == [2]
    assert not here.partition.tables.changed
    await here.partition.settle()
    assert here.came == [*FIRST, *SECOND]
    assert here.store.written == [2, 3]


@pytest.mark.parametrize("just", [half_flushed, just_written])
async def test_a_crash_at_any_turn_of_a_flush_leaves_whole_records(just):
    here = await just()
    here.partition.fail(StorageError("a crash"))
    await settled()
    assert here.store.applied_lsn == (2 if just is just_written else 0)
    again = Led(here.records, here.store)
    again.partition.recover()
    whole = Led(here.records)
    whole.partition.recover()
    assert rows_of(again.store) == rows_of(whole.store)


async def test_in_a_crowd_more_changes_are_gathered(monkeypatch):
    monkeypatch.setattr(flushing, "FLUSH_ROWS", 10)
    flusher = Led().partition._flusher
    tables = flusher._tables
    for number in range(10 * crowd.TIMES_CROWDED):
        assert flusher.much_changed() is (number >= 10)
        assert not flusher.much_changed(crowd.TIMES_CROWDED)
        tables.parked.insert(ident(str(number)), b"")
    assert flusher.much_changed(crowd.TIMES_CROWDED)


@pytest.mark.parametrize("waiting", [False, True])
async def test_a_flush_that_fails_stops_the_partition(waiting, caplog):
    here = await half_flushed(FullStore())
    if waiting:
        await here.partition.settle()
    else:
        with pytest.raises(StorageError):
            here.partition.flush()
    await settled()
    assert [type(failure) for failure in here.failures] == [StorageError]
    assert here.came[:2] == FIRST
    assert [(name, type(reply)) for name, reply in here.came[2:]] == [("B", UnavailableError)]
    assert here.store.applied_lsn == 0


async def test_a_partition_that_stopped_writes_nothing_more():
    here = await half_flushed()
    here.partition.fail(StorageError("no space"))
    await settled()
    assert here.store.applied_lsn == 0
    assert not here.partition.flushing


async def test_records_that_change_many_rows_are_flushed_within_their_batch(monkeypatch):
    monkeypatch.setattr(partition, "MANY_ROWS_BYTES", 1)
    here = Led()
    await here.lead()
    for invocation_id in (A, B, C):
        here.propose(invoke(invocation_id))
    written = []
    write = here.store.write
    monkeypatch.setattr(
        here.store, "write", lambda changes, lsn: (written.append(lsn), write(changes, lsn))
    )
    await here.write()
    await here.partition.settle()
    assert written == [2, 3, 4]
