"""How much changed: what a flush would write, and not what was done."""

from __future__ import annotations

from perdure.core.model.journals import JournalEntry
from perdure.core.tables.keys import expiry_key, index_key, object_group
from perdure.core.tables.tables import Lock, Tables
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Input, Value
from perdure.storage.memory_store import MemoryStore

ID = InvocationId(b"i" * 24)


def test_as_much_has_changed_as_a_flush_writes():
    tables = Tables(MemoryStore())
    assert tables.changed == 0
    tables.running.insert(ID, b"")
    tables.parked.delete(ID)
    tables.timers.delete(b"due")
    tables.expiries.insert(expiry_key(7, ID, journal_only=False), b"")
    tables.states.put(b"object", b"name", b"value")
    for index in range(3):
        tables.journals.put(ID, index_key(index), JournalEntry(1, Input(Value(b"x"))))
    assert tables.changed == 8
    assert len(tables.flush()) == 8
    assert tables.changed == 0


def test_rows_that_come_and_go_do_not_count():
    tables = Tables(MemoryStore())
    for _ in range(100):
        tables.running.insert(ID, b"")
        tables.running.delete(ID)
        tables.locks.insert(object_group("service", "key"), Lock(ID))
        tables.locks.delete(object_group("service", "key"))
    assert tables.changed == 0
    assert tables.flush() == []
