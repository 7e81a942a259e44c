"""A partition that is led again: the same tables from its log, and an epoch of its own."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from engine_world import A, B, ident, invoke, records_of, rows_of
from led_partition import Led, ended

from perdure.core.model.records import AnnounceLeader, Cancel, Record
from perdure.core.model.verdicts import Verdict
from perdure.engine.flushing import FLUSH_BYTES, FLUSH_ROWS
from perdure.engine.ports import CorruptLogError
from perdure.protocol.messages import Input, Value
from perdure.storage.memory_log import MemoryRecords
from perdure.storage.memory_store import MemoryStore

# -- Recovery


async def worked(here: Led, count: int = 40) -> None:
    """Leave all kinds of rows behind."""
    await here.lead()
    for number in range(count):
        here.propose(invoke(ident(f"i{number}")))
        if number % 3 == 0:
            here.propose(ended(ident(f"i{number}"), number + 1))
        if number % 7 == 0:
            here.propose(Cancel(ident(f"i{number}")))
        if number % 5 == 0:
            await here.write()
    await here.write()


async def test_the_log_alone_gives_the_same_tables():
    here = Led()
    await worked(here)
    here.partition.flush()
    again = Led(here.records)
    again.partition.recover()
    assert rows_of(again.store) == rows_of(here.store)
    assert again.store.applied_lsn == here.store.applied_lsn == here.log.tail - 1
    assert again.partition.applied_lsn == here.partition.applied_lsn


@pytest.mark.parametrize("upto", [1, 7, 30])
async def test_a_store_that_is_behind_gives_the_same_tables(upto):
    here = Led()
    await worked(here)
    here.partition.flush()
    behind = Led(prefix(here.records, upto))
    behind.partition.recover()
    assert behind.store.applied_lsn == upto

    again = Led(here.records, behind.store)
    again.partition.recover()
    assert rows_of(again.store) == rows_of(here.store)


def prefix(records: MemoryRecords, upto: int) -> MemoryRecords:
    first = MemoryRecords()
    first.append([encoded for lsn, encoded in records.read(1) if lsn <= upto])
    return first


async def test_recovery_flushes_on_its_way():
    here = Led()
    await here.lead()
    for number in range(FLUSH_ROWS):
        here.propose(invoke(ident(str(number))))
    await here.write()

    writes = []

    class WatchedStore(MemoryStore):
        def write(self, changes, lsn):
            writes.append(lsn)
            super().write(changes, lsn)

    again = Led(here.records, WatchedStore())
    again.partition.recover()
    assert len(writes) >= 2
    assert writes[-1] == here.log.tail - 1


async def test_large_rows_are_not_held_in_memory_for_long():
    here = Led()
    await here.lead()
    large = Input(Value(bytes(FLUSH_BYTES // 4)))
    for number in range(5):
        here.propose(invoke(ident(str(number)), input=large))
        await here.write()
    await asyncio.sleep(1)
    assert here.store.applied_lsn >= 4
    again = Led(here.records)
    again.partition.recover()
    assert again.partition.waiting_bytes == here.partition.waiting_bytes == 0
    assert again.partition.applied_bytes >= 5 * FLUSH_BYTES // 4


async def test_a_log_that_is_shorter_than_the_store_is_refused():
    here = Led()
    await worked(here)
    here.partition.flush()
    with pytest.raises(CorruptLogError):
        Led(prefix(here.records, 5), here.store).partition.recover()


# -- Epochs


async def test_each_leader_has_an_epoch_of_its_own():
    here = Led()
    await here.lead()
    again = Led(here.records, here.store)
    await again.lead()
    announced = [body for body in records_of(here.records) if isinstance(body, AnnounceLeader)]
    assert announced == [AnnounceLeader(1), AnnounceLeader(2)]


async def test_what_an_older_leader_wrote_late_is_dropped():
    here = Led()
    await here.lead()
    late = Record(0, 1, invoke(B))
    here.propose(invoke(A))
    await here.write()
    here.records.append([msgspec.msgpack.encode(late)])

    again = Led(here.records)
    await again.lead()
    assert again.partition.tables.invocations.get(A) is not None
    assert again.partition.tables.invocations.get(B) is None
    again.propose(Cancel(B))
    await again.write()
    assert again.came == [("reply", Verdict.NOT_FOUND)]


async def test_a_record_that_this_version_cannot_read_is_named():
    here = Led()
    await here.lead()
    here.log.append([msgspec.msgpack.encode(["of", "another", "version"])], lambda _error: None)
    await here.write()
    with pytest.raises(CorruptLogError, match="record 2 of the log cannot be read") as refused:
        Led(here.records).partition.recover()
    assert "start the version of Perdure that wrote it" in str(refused.value)
