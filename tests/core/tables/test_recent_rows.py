"""What was written lately, against a plain dictionary: it hides the store and never lags behind."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from table_world import LAW, Store

from perdure.core.model.journals import JournalEntry
from perdure.core.tables.changes import PIECE_ROWS
from perdure.core.tables.keys import index_key
from perdure.core.tables.recent import (
    PARTS,
    RECENT_BYTES,
    ROW_BYTES,
    VALUE_BYTES_MAX,
    Recent,
)
from perdure.core.tables.tables import Lock, Tables
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Input, Value

ID = InvocationId(b"i" * 24)
#: Room for a few short rows a part.
_BYTES_MAX = PARTS * 3 * ROW_BYTES
_KEYS = [bytes([letter]) for letter in range(ord("a"), ord("n"))]
_VALUES = st.sampled_from([None, b"", b"1", b"2", bytes(VALUE_BYTES_MAX), b"3" * 3000])


class RecentAgainstADictionary(RuleBasedStateMachine):
    """Rows that are written to a store, some of them remembered."""

    @initialize()
    def begin(self) -> None:
        self.store = Store()
        self.store.held = {}
        self.recent = Recent(self.store, _BYTES_MAX)
        self.model: dict[bytes, bytes] = {}

    @rule(changes=st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=5))
    def write(self, changes) -> None:
        self.recent.remember(list(changes.items()))
        self.store.write(list(changes.items()))
        for key, value in changes.items():
            if value is None:
                self.model.pop(key, None)
            else:
                self.model[key] = value

    @invariant()
    def every_row_is_there(self) -> None:
        for key in _KEYS:
            assert self.recent.get(key) == self.model.get(key)
        assert dict(self.recent.scan(b"", b"\xff")) == self.model

    @invariant()
    def little_is_remembered(self) -> None:
        values = [value for part in self.recent._parts for value in part.values()]
        assert all(len(value or b"") <= VALUE_BYTES_MAX for value in values)
        # Of a piece that is larger than a part, one may be over what the parts may hold.
        assert len(values) <= PARTS * 5


RecentAgainstADictionary.TestCase.settings = LAW
TestRecent = RecentAgainstADictionary.TestCase


def key_of(number: int) -> bytes:
    return number.to_bytes(4, "big")


@pytest.mark.parametrize("size", [0, 300, VALUE_BYTES_MAX])
def test_a_bounded_number_of_bytes_is_remembered_and_the_oldest_are_forgotten(size):
    recent, rows_max = Recent(Store()), RECENT_BYTES // (ROW_BYTES + size)
    written = 2 * rows_max
    for start in range(0, written, 1000):
        recent.remember([(key_of(start + number), bytes(size)) for number in range(1000)])
    written += -written % 1000
    remembered = [number for number in range(written) if recent.knows(key_of(number))]
    assert rows_max * (PARTS - 1) // PARTS - 1000 * PARTS <= len(remembered) <= rows_max
    assert remembered == list(range(written))[-len(remembered) :]


def test_a_part_has_room_for_any_piece_of_a_flush():
    assert PIECE_ROWS * (ROW_BYTES + VALUE_BYTES_MAX) <= RECENT_BYTES // PARTS


def test_a_long_value_takes_the_place_of_what_was_remembered():
    store = Store()
    recent = Recent(store)
    recent.remember([(b"k", b"short"), (b"beside", b"it")])
    long = bytes(VALUE_BYTES_MAX + 1)
    recent.remember([(b"k", long)])
    store.held[b"k"] = long
    assert recent.get(b"k") is long
    assert not recent.knows(b"k")
    assert recent.knows(b"beside")


def test_what_was_just_written_is_read_without_the_store():
    store = Store()
    tables = Tables(store)
    tables.locks.put(b"k", Lock(ID))
    tables.locks.delete(b"gone")
    tables.journals.put(ID, index_key(0), JournalEntry(1, Input(Value(b"x"))))
    store.write(tables.flush())
    store.held = {b"l" + b"gone": b"not read"}
    assert tables.locks.get(b"k") == Lock(ID)
    assert tables.locks.get(b"gone") is None
    assert tables.journals.get(ID, index_key(0)) == JournalEntry(1, Input(Value(b"x")))


def test_what_is_only_scanned_is_forgotten_once_it_is_written():
    store = Store()
    tables = Tables(store)
    for table in (tables.running, tables.parked, tables.expiries):
        table.insert(b"k", b"")
    tables.states.put(b"group", b"k", b"")
    for key, _ in tables.flush():
        store.held[key] = b"read"
    assert tables.running.get(b"k") == b"read"
    assert tables.parked.get(b"k") == b"read"
    assert tables.expiries.get(b"k") == b"read"
    assert tables.states.get(b"group", b"k") == b"read"
