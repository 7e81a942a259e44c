"""The loop of a partition: what is durable when, what is applied when, and what stops it."""

from __future__ import annotations

import asyncio
import logging

import pytest
from engine_world import A, B, C, ident, invoke, records_of, settled
from led_partition import Led, ended

from perdure.core.machine.actions import Finish, StartAttempt
from perdure.core.model.records import Cancel, Kill
from perdure.core.model.verdicts import Admission
from perdure.engine import partition
from perdure.engine.errors import UnavailableError
from perdure.engine.partition import BATCH_RECORDS_MAX
from perdure.engine.ports import LogFailedError, StorageError
from perdure.protocol.messages import Value
from perdure.storage.memory_store import MemoryStore

# -- Durable before visible


async def test_nothing_is_applied_or_answered_before_it_is_durable():
    here = Led()
    await here.lead()
    here.propose(invoke())
    await settled()
    assert here.log.waiting == 1
    assert here.came == []
    assert here.partition.tables.invocations.get(A) is None

    here.log.commit()
    assert here.came == [("reply", Admission(None)), StartAttempt(A, 1)]
    assert here.partition.tables.invocations.get(A) is not None


async def test_a_reply_comes_before_the_actions_of_its_record_and_after_those_before_it():
    here = Led()
    await here.lead()
    here.propose(invoke(A), "A")
    here.propose(invoke(B), "B")
    here.propose(Kill(A), "kill")
    await here.write()
    kinds = [came[0] if isinstance(came, tuple) else type(came).__name__ for came in here.came]
    assert kinds == [
        "A",
        "StartAttempt",
        "B",
        "StartAttempt",
        "kill",
        "StopAttempt",
        "Finish",
        "WatchExpiry",
    ]


async def test_leading_is_announced_once_that_is_durable():
    here = Led()
    announced = []
    here.partition.lead(here.performers, here.failures.append, lambda: announced.append(True))
    await settled()
    assert announced == []
    here.log.commit()
    assert announced == [True]


async def test_what_is_proposed_before_the_announcement_is_durable_counts_all_the_same():
    here = Led()
    here.partition.lead(here.performers, here.failures.append, lambda: None)
    here.propose(invoke())
    await here.write()
    assert ("reply", Admission(None)) in here.came


# -- Batches


async def test_what_one_turn_of_the_loop_brings_is_one_batch():
    here = Led()
    await here.lead()
    syncs = here.log.counters.syncs
    for name in "ABC":
        here.propose(invoke(ident(name)))
    assert here.partition.waiting == 3
    await here.write()
    assert here.log.counters.syncs == syncs + 1
    assert here.partition.waiting == 0


async def test_the_next_batch_gathers_while_one_is_on_its_way():
    here = Led()
    await here.lead()
    here.propose(invoke(A), "A")
    await settled()
    here.propose(invoke(B), "B")
    await settled()
    here.propose(invoke(C), "C")
    await settled()
    assert here.log.waiting == 1, "one batch at a time is with the disk"

    here.log.commit()
    assert [came for came in here.came if isinstance(came, tuple)] == [("A", Admission(None))]
    await settled()
    assert here.log.waiting == 1, "both others are one batch"
    assert [type(body).__name__ for body in records_of(here.records)] == [
        "AnnounceLeader",
        "Invoke",
    ]
    here.log.commit()
    assert [came[0] for came in here.came if isinstance(came, tuple)] == ["A", "B", "C"]
    assert here.log.waiting == 0


async def test_a_small_batch_waits_for_what_follows_from_the_one_before_it():
    here = Led()
    await here.lead()
    here.propose(invoke(A), "A")
    await settled()
    here.propose(invoke(B), "B")
    here.performers[StartAttempt] = lambda _action: here.propose(Cancel(A), "cancel")
    syncs = here.log.counters.syncs
    here.log.commit()
    assert here.log.waiting == 0
    await settled()
    here.log.commit()
    assert [came[0] for came in here.came if isinstance(came, tuple)] == ["A", "B", "cancel"]
    assert here.log.counters.syncs == syncs + 2


async def test_the_disk_works_on_the_next_batch_while_one_is_applied(monkeypatch):
    monkeypatch.setattr(partition, "EARLY_RECORDS", 1)
    here = Led()
    await here.lead()
    busy = []
    here.propose(invoke(A))
    await settled()
    here.partition.propose(invoke(B))
    look = lambda _action: busy.append(here.log.waiting)  # noqa: E731
    here.partition._perform = dict.fromkeys(here.performers, look)
    here.log.commit()
    assert busy == [1]


async def test_a_batch_has_a_bound():
    here = Led()
    await here.lead()
    syncs = here.log.counters.syncs
    for number in range(2 * BATCH_RECORDS_MAX + 1):
        here.propose(Cancel(ident(str(number))), number)
    await here.write()
    assert here.log.counters.syncs == syncs + 3
    assert [name for name, _ in here.came] == list(range(2 * BATCH_RECORDS_MAX + 1))


async def test_actions_may_propose():
    here = Led()
    await here.lead()

    def perform(action):
        here.came.append(action)
        if isinstance(action, StartAttempt):
            here.propose(ended(action.invocation_id, action.attempt), "ended")

    here.partition._perform = dict.fromkeys(here.performers, perform)
    here.propose(invoke())
    await here.write()
    assert here.came[:4] == [
        ("reply", Admission(None)),
        StartAttempt(A, 1),
        ("ended", None),
        Finish(A, Value(b"out")),
    ]


async def test_settling_waits_for_all_that_was_proposed():
    here = Led()
    await here.lead()
    await here.partition.settle()
    here.propose(invoke(A))
    here.propose(invoke(B))
    waiting = asyncio.ensure_future(here.partition.settle())
    await settled()
    assert not waiting.done()
    await here.write()
    await waiting


# -- Failure


async def test_a_log_that_fails_refuses_all_that_is_pending_and_all_that_comes():
    here = Led()
    await here.lead()
    here.propose(invoke(A), "in flight")
    await settled()
    here.propose(invoke(B), "gathered")
    here.records.fail("disk full")
    here.log.commit()
    await settled()
    here.propose(invoke(C), "late")

    names, replies = zip(*here.came, strict=True)
    assert names == ("in flight", "gathered", "late")
    for reply in replies:
        assert isinstance(reply, UnavailableError)
        assert "disk full" in str(reply)
    assert [type(error) for error in here.failures] == [LogFailedError]
    assert here.partition.failure is here.failures[0]
    assert here.partition.tables.invocations.get(A) is None
    assert here.log.waiting == 0


async def test_a_log_that_fails_lets_go_of_who_waits_for_it_to_settle():
    here = Led()
    await here.lead()
    here.propose(invoke())
    waiting = asyncio.ensure_future(here.partition.settle())
    await settled()
    here.records.fail("disk full")
    here.log.commit()
    await waiting


class BrokenError(Exception):
    """A defect that nobody foresaw."""


def break_for(partition, broken):
    """Let the machine fail on one invocation."""
    apply = partition.machine.apply

    def breaking(record, *deliveries_max):
        if getattr(record.body, "invocation_id", None) == broken:
            partition.tables.invocations.put(broken, None)
            raise BrokenError
        return apply(record, *deliveries_max)

    partition.machine.apply = breaking


async def test_a_record_that_cannot_be_applied_stops_the_partition(caplog):
    here = Led()
    await here.lead()
    break_for(here.partition, B)
    for name in "ABC":
        here.propose(invoke(ident(name)), name)
    await settled()
    here.propose(Cancel(A), "next batch")
    with caplog.at_level(logging.CRITICAL, "perdure.engine"):
        await here.write()

    assert here.came[:2] == [("A", Admission(None)), StartAttempt(A, 1)]
    refused = {name: type(reply) for name, reply in here.came[2:]}
    assert refused == dict.fromkeys(["B", "C", "next batch"], UnavailableError)
    assert [type(error) for error in here.failures] == [BrokenError]


async def test_a_record_that_cannot_be_applied_is_met_again_by_recovery():
    """What it left half done is not stored."""
    here = Led()
    await here.lead()
    here.propose(invoke(A))
    here.propose(invoke(B))
    await here.write()
    again = Led(here.records, here.store)
    break_for(again.partition, B)
    with pytest.raises(BrokenError):
        again.partition.recover()
    assert isinstance(again.partition.failure, BrokenError)
    assert again.store.applied_lsn == 0

    mended = Led(here.records, here.store)
    mended.partition.recover()
    assert mended.partition.tables.invocations.get(B) is not None


async def test_a_store_that_cannot_be_written_stops_the_partition():
    class FullStore(MemoryStore):
        def write(self, changes, lsn):
            raise StorageError("no space left")

    here = Led(store=FullStore())
    await here.lead()
    here.propose(invoke())
    await here.write()
    with pytest.raises(StorageError, match="no space left"):
        here.partition.flush()
    assert [str(error) for error in here.failures] == ["no space left"]
