"""Tables against a plain dictionary, whatever is done to them and whenever they are flushed."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from table_world import KEYS, LAW, VALUES, Store, drained

from perdure.core.tables.changes import LONG_ROW_BYTES, FrontTable, RowTable, after_prefix
from perdure.core.tables.recent import VALUE_BYTES_MAX, Recent

#: Of these a few are remembered, or none, or the one that was read last.
_LONG = [bytes(VALUE_BYTES_MAX), bytes(VALUE_BYTES_MAX + 1), bytes(LONG_ROW_BYTES)]
#: Room for a few short rows.
_RECENT_BYTES = 3_000


class RowsAgainstADictionary(RuleBasedStateMachine):
    """Rows under single keys, of which those that were written lately are remembered."""

    kind: type[RowTable[bytes]] = RowTable
    remembered = True

    @initialize()
    def begin(self) -> None:
        self.store = Store()
        self.restart()
        self.model: dict[bytes, bytes] = {}

    @rule(key=KEYS, value=VALUES)
    def put(self, key, value) -> None:
        self.table.put(key, value)
        self.model[key] = value

    @rule(key=KEYS, which=st.integers(0, len(_LONG) - 1))
    def put_long(self, key, which) -> None:
        self.put(key, _LONG[which])

    @rule(key=KEYS, value=VALUES)
    def insert(self, key, value) -> None:
        if key not in self.model:
            self.table.insert(key, value)
            self.model[key] = value

    @rule(key=KEYS)
    def delete(self, key) -> None:
        self.table.delete(key)
        self.model.pop(key, None)

    @rule()
    def flush(self) -> None:
        self.store.write(drained(self.table, self.recent if self.remembered else None))

    @precondition(lambda self: not self.table.changed)
    @rule()
    def restart(self) -> None:
        self.recent = Recent(self.store, _RECENT_BYTES)
        self.table = self.kind(self.recent, b"t", bytes, bytes)

    @rule(start=KEYS, end=KEYS, limit=st.integers(1, 4))
    def scan(self, start, end, limit) -> None:
        rows = sorted((key, row) for key, row in self.model.items() if start <= key < end)
        assert self.table.scan(start, end, limit) == rows[:limit]

    @invariant()
    def every_row_is_there(self) -> None:
        for key in (b"", b"\x00", b"a", b"a\x00", b"ab", b"b", b"\xff", b"\xff\xff"):
            assert self.table.get(key) == self.model.get(key)

    @invariant()
    def other_tables_are_left_alone(self) -> None:
        assert (self.store.held[b"s"], self.store.held[b"u"]) == (b"before", b"behind")


class ForgottenRowsAgainstADictionary(RowsAgainstADictionary):
    """Rows that are not remembered once they are written."""

    remembered = False


class FirstRowsAgainstADictionary(RowsAgainstADictionary):
    """Rows of which the first ones are looked for."""

    kind = FrontTable
    remembered = False

    @rule(end=KEYS, limit=st.integers(1, 4))
    def first(self, end, limit) -> None:
        rows = sorted((key, row) for key, row in self.model.items() if key < end)
        assert self.table.first(end, limit) == rows[:limit]


RowsAgainstADictionary.TestCase.settings = LAW
ForgottenRowsAgainstADictionary.TestCase.settings = LAW
FirstRowsAgainstADictionary.TestCase.settings = LAW
TestRows = RowsAgainstADictionary.TestCase
TestForgottenRows = ForgottenRowsAgainstADictionary.TestCase
TestFirstRows = FirstRowsAgainstADictionary.TestCase


def new_table() -> tuple[Store, RowTable[bytes]]:
    store = Store()
    return store, RowTable(store, b"t", bytes, bytes)


def test_a_row_that_comes_and_goes_is_never_written():
    _, table = new_table()
    table.insert(b"k", b"1")
    table.put(b"k", b"2")
    table.delete(b"k")
    assert drained(table) == []


def test_a_row_that_was_written_is_removed_for_good_when_it_comes_back_and_goes():
    store, table = new_table()
    table.insert(b"k", b"1")
    store.write(drained(table))
    table.delete(b"k")
    table.insert(b"k", b"2")
    table.delete(b"k")
    assert drained(table) == [(b"tk", None)]


def test_the_first_rows_are_looked_for_behind_what_was_removed():
    store = Store()
    table: FrontTable[bytes] = FrontTable(store, b"t", bytes, bytes)
    for key in (b"a", b"b", b"c"):
        table.insert(key, b"")
    store.write(drained(table))
    assert table.first(b"z", 2) == [(b"a", b""), (b"b", b"")]
    table.delete(b"a")
    table.delete(b"b")
    store.write(drained(table))
    assert table.first(b"z", 1) == [(b"c", b"")]
    store.starts.clear()
    assert table.first(b"z", 1) == [(b"c", b"")]
    table.insert(b"b", b"again")
    assert table.first(b"z", 1) == [(b"b", b"again")]
    assert store.starts == [b"tc", b"tb"]


def test_who_reads_the_same_long_row_shares_it_until_the_next_flush():
    store = Store()
    table: RowTable[bytearray] = RowTable(store, b"t", bytes, bytearray)
    for key, size in ((b"a", LONG_ROW_BYTES), (b"b", LONG_ROW_BYTES), (b"c", LONG_ROW_BYTES - 1)):
        store.held[b"t" + key] = bytes(size)
    first = table.get(b"a")
    assert table.get(b"a") is first
    assert table.get(b"c") is not table.get(b"c")
    assert table.get(b"b") is table.get(b"b")
    again = table.get(b"a")
    assert again is not first
    table.delete(b"a")
    assert table.get(b"a") is None
    store.write(drained(table))
    table.put(b"a", bytearray(b"new"))
    assert table.get(b"a") == b"new"


@pytest.mark.parametrize(
    ("prefix", "after"),
    [
        (b"a", b"b"),
        (b"ab", b"ac"),
        (b"a\xff", b"b"),
        (b"a\xff\xff", b"b"),
        (b"a\xfe\xff", b"a\xff"),
    ],
)
def test_after_a_prefix_comes_the_least_key_beyond_it(prefix, after):
    assert after_prefix(prefix) == after
    assert prefix < after
    assert prefix + b"\xff" * 9 < after
