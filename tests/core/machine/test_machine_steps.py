"""Steps: what each record asks for and sends."""

from __future__ import annotations

from perdure.core.machine.step import Step
from perdure.core.model.records import Kill
from perdure.core.tables.tables import Tables
from perdure.protocol.ids import InvocationId
from perdure.storage.memory_store import MemoryStore

KILL = Kill(InvocationId(b"k" * 24))


def test_what_one_record_sends_is_sent_by_no_other():
    tables = Tables(MemoryStore())
    one, other = Step(tables, 1), Step(tables, 1)
    one.deliver(KILL)
    assert list(one.deliveries) == [KILL]
    assert not other.deliveries
    assert not Step(tables, 2).deliveries


def test_whoever_delivers_sees_what_is_sent_meanwhile():
    step = Step(Tables(MemoryStore()), 1)
    step.deliver(KILL)
    deliveries = step.deliveries
    deliveries.popleft()
    step.deliver(KILL)
    assert list(deliveries) == [KILL]
