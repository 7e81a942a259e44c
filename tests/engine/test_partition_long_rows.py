"""Long rows are written ahead of their flush, a piece a turn, and whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from engine_world import A, B, C, invoke, rows_of
from led_partition import Led, ended

from perdure.core.model.records import Ended, Progress
from perdure.engine.flushing import FLUSH_BYTES, FLUSH_BYTES_MAX
from perdure.engine.ports import StorageError
from perdure.protocol.messages import Input, Output, Value
from perdure.storage.memory_store import MemoryStore
from perdure.storage.rocks_store import RocksStore

LARGE = bytes(range(256)) * (FLUSH_BYTES // 256)


class StagingStore(MemoryStore):
    """A store that takes long values in three steps, and notes who asked for what."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[str] = []
        self.staged: list[bytes] = []
        self.failing = False

    def stage(self, key, value):
        for _ in range(3):
            if self.failing:
                raise StorageError("no space left")
            self.steps.append("piece")
            yield
        self.staged.append(value)

    def write(self, changes, lsn):
        whole = [value for _, value in changes if value is not None and len(value) >= len(LARGE)]
        taken = sum(any(value is each for each in self.staged) for value in whole)
        self.steps.append(f"write of {len(whole)}, {taken} of them staged")
        self.staged.clear()
        super().write(changes, lsn)


async def led(store=None) -> Led:
    here = Led(store=StagingStore() if store is None else store)
    await here.lead()
    return here


def large(invocation_id=A):
    return invoke(invocation_id, input=Input(Value(LARGE)))


def echoed(invocation_id, attempt):
    return Progress(invocation_id, attempt, (Output(Value(LARGE)),), ending=Ended())


async def test_a_long_row_is_written_in_steps_and_then_flushed():
    here = await led()
    here.propose(large())
    await here.write()
    assert here.store.steps == []
    assert here.partition.flushing
    await asyncio.sleep(1)
    assert here.store.steps == ["piece"] * 3 + ["write of 1, 1 of them staged"]
    assert not here.partition.flushing
    assert here.store.applied_lsn == here.partition.applied_lsn


async def test_rows_that_came_meanwhile_are_written_ahead_too():
    here = await led()
    here.propose(large())
    await here.write()
    await asyncio.sleep(0.0025)
    assert here.store.steps == ["piece"] * 1
    here.propose(echoed(A, 1))
    await here.write()
    await asyncio.sleep(1)
    # The input, the output in the journal, and the result.
    assert here.store.steps == ["piece"] * 9 + ["write of 3, 3 of them staged"]


async def test_a_row_that_changes_meanwhile_is_written_as_it_is_at_last():
    here = await led()
    here.propose(large())
    await here.write()
    here.propose(ended())
    await here.write()
    await asyncio.sleep(1)
    rows = rows_of(here.store)
    again = Led(here.records)
    again.partition.recover()
    assert rows == rows_of(again.store)


async def test_a_flush_does_not_wait_for_what_was_begun():
    here = await led()
    here.propose(large())
    await here.write()
    await asyncio.sleep(0.0025)
    here.partition.flush()
    assert here.store.steps == ["piece", "write of 1, 0 of them staged"]
    await asyncio.sleep(1)
    assert len(here.store.steps) == 2


async def test_too_much_at_once_is_flushed_as_it_is():
    here = await led()
    for number in range(FLUSH_BYTES_MAX // FLUSH_BYTES):
        here.propose(large(A[:-1] + bytes([number])))
    await here.write()
    assert here.store.applied_lsn == here.partition.applied_lsn


async def test_a_piece_that_cannot_be_written_stops_the_partition():
    here = await led()
    here.store.failing = True
    here.propose(large())
    await here.write()
    await asyncio.sleep(1)
    assert [str(error) for error in here.failures] == ["no space left"]
    assert here.store.applied_lsn == 0


async def test_nothing_more_is_written_once_the_partition_stopped():
    here = await led()
    here.propose(large())
    await here.write()
    here.partition.fail(StorageError("the log is gone"))
    await asyncio.sleep(1)
    assert here.store.steps == []


@pytest.mark.parametrize("steps_ms", [0, 2, 5, 12, 20, 30, 45, 60, 80])
async def test_a_crash_between_two_pieces_changes_nothing(tmp_path: Path, steps_ms):
    here = await led(RocksStore.open(tmp_path))
    here.propose(large())
    here.propose(invoke(B))
    await here.write()
    here.propose(echoed(A, 1))
    await here.write()
    await asyncio.sleep(steps_ms / 1000)
    here.partition.fail(StorageError("a crash"))
    here.store.close()

    store = RocksStore.open(tmp_path)
    again = Led(here.records, store)
    again.partition.recover()
    await again.lead()
    again.propose(invoke(C))
    await again.write()
    again.partition.flush()
    memory = Led(again.records)
    memory.partition.recover()
    memory.partition.flush()
    assert list(store.scan(b"", b"\xff")) == rows_of(memory.store)
    store.close()
