"""Batches that take long to apply: others have their turn meanwhile, and the order stays."""

from __future__ import annotations

import asyncio

import pytest
from engine_world import A, B, C, invoke, settled
from led_partition import Led

from perdure.core.machine.actions import Notify, StartAttempt
from perdure.core.model.records import Progress
from perdure.core.model.verdicts import Admission
from perdure.engine import partition
from perdure.engine.errors import UnavailableError
from perdure.engine.ports import StorageError
from perdure.protocol.ids import invocation_text
from perdure.protocol.messages import VOID, SendSignal, Signal

FIRST = [("A", Admission(None)), StartAttempt(A, 1)]
SECOND = [("B", Admission(None)), StartAttempt(B, 2)]
THIRD = [("C", Admission(None)), StartAttempt(C, 3)]


@pytest.fixture(autouse=True)
def slow(monkeypatch):
    """Let every action take as long as a slice."""
    monkeypatch.setattr(partition, "SLICE_S", -1.0)
    monkeypatch.setattr(partition, "EARLY_RECORDS", 1)


async def half_applied() -> Led:
    """Give a partition that has applied A of a batch of A and B; C is on its way to the disk."""
    here = Led()
    await here.lead()
    here.propose(invoke(A), "A")
    here.propose(invoke(B), "B")
    await settled()
    here.propose(invoke(C), "C")
    here.log.commit()
    assert here.came == FIRST
    assert here.log.waiting == 1
    return here


async def test_others_have_their_turn_while_a_batch_is_applied():
    here = await half_applied()
    seen = []
    asyncio.get_running_loop().call_soon(lambda: seen.append(here.partition.waiting))
    await settled()
    assert here.came == [*FIRST, *SECOND]
    assert seen == [2], "the action of B is not known to be the last one, and C is on its way"


async def test_a_batch_that_is_durable_early_comes_after_the_one_before_it():
    here = await half_applied()
    here.log.commit()
    assert here.came == FIRST
    await settled()
    assert here.came == [*FIRST, *SECOND, *THIRD]


async def test_nothing_is_settled_before_the_last_action_is_performed():
    here = await half_applied()
    here.log.commit()
    await here.partition.settle()
    assert here.came == [*FIRST, *SECOND, *THIRD]
    assert here.partition.waiting == 0


async def test_what_is_flushed_between_two_slices_is_whole_records():
    here = await half_applied()
    here.partition.flush()
    assert here.store.applied_lsn == here.partition.applied_lsn == 2
    here.log.commit()
    await settled()
    here.partition.flush()
    assert here.store.applied_lsn == 4


async def test_a_failure_between_two_slices_is_told_to_whoever_is_left():
    here = await half_applied()
    here.partition.fail(StorageError("no space"))
    await settled()
    assert here.came[:2] == FIRST
    assert [(name, type(reply)) for name, reply in here.came[2:]] == [
        ("B", UnavailableError),
        ("C", UnavailableError),
    ]
    async with asyncio.timeout(1):
        await here.partition.settle()


async def test_what_is_durable_is_applied_though_the_batch_behind_it_fails():
    here = await half_applied()
    here.records.fail("no space")
    here.log.commit()
    assert here.failures == []
    await settled()
    assert here.came[:4] == [*FIRST, *SECOND]
    assert [(name, type(reply)) for name, reply in here.came[4:]] == [("C", UnavailableError)]
    assert len(here.failures) == 1


# -- One record that sends more messages than are delivered in one go


def told(invocation_id):
    return Notify(invocation_id, 1, Signal("go", VOID))


async def half_a_record(monkeypatch) -> Led:
    """Give a partition that has applied a record of A as far as its signal to B; C is to come."""
    monkeypatch.setattr(partition, "DELIVERIES_MAX", 1)
    here = Led()
    await here.lead()
    for invocation_id in (A, B, C):
        here.propose(invoke(invocation_id))
    await here.write()
    here.came.clear()
    signals = tuple(SendSignal(invocation_text(each), "go", VOID) for each in (B, C))
    here.propose(Progress(A, 1, signals), "A")
    here.propose(Progress(B, 2, ()), "B")
    await settled()
    here.log.commit()
    assert here.came == [("A", None), told(B)]
    return here


async def test_others_have_their_turn_while_a_record_is_applied(monkeypatch):
    here = await half_a_record(monkeypatch)
    assert here.partition.flushing
    assert here.partition.waiting == 2
    await here.partition.settle()
    assert here.came == [("A", None), told(B), told(C), ("B", None)]
    assert not here.partition.flushing


async def test_what_is_flushed_within_a_record_is_all_of_it(monkeypatch):
    here = await half_a_record(monkeypatch)
    here.partition.flush()
    assert here.store.applied_lsn == here.partition.applied_lsn
    assert here.came == [("A", None), told(B)], "what follows from the rest has its turn later"
    again = Led(here.records, here.store)
    assert again.partition.tables.invocations.get(C).journal.entries == 2
    await here.partition.settle()
    assert here.came == [("A", None), told(B), told(C), ("B", None)]


async def test_a_defect_within_a_record_stops_the_partition(monkeypatch):
    here = await half_a_record(monkeypatch)
    here.partition.tables.invocations.put(C, 0)
    with pytest.raises(AttributeError):
        here.partition.flush()
    assert [type(failure) for failure in here.failures] == [AttributeError]
    await here.partition.settle()
    assert [(name, type(reply)) for name, reply in here.came[2:]] == [("B", UnavailableError)]
    assert here.store.applied_lsn < here.partition.applied_lsn
