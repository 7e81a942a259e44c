"""Groups of rows against plain dictionaries, whatever is done and whenever it is flushed."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from table_world import KEYS, LAW, VALUES, Store, drained

from perdure.core.tables import changes
from perdure.core.tables.groups import GroupTable
from perdure.core.tables.recent import VALUE_BYTES_MAX, Recent
from perdure.core.tables.small_groups import (
    GROUPS_REMEMBERED,
    ROW_BYTES_MAX,
    ROWS_MAX,
    SmallGroups,
)

#: Room for a few short rows.
_RECENT_BYTES = 3_000
_GROUPS = st.sampled_from([b"g1", b"g2", b"\xff\xff"])


class GroupsAgainstADictionary(RuleBasedStateMachine):
    """Rows in groups, of which those that were written lately are remembered."""

    kind: type[GroupTable[bytes]] = GroupTable
    remembered = True

    @initialize()
    def begin(self) -> None:
        self.store = Store()
        self.recent = Recent(self.store, _RECENT_BYTES)
        self.table = self.kind(self.recent, b"t", bytes, bytes)
        self.model: dict[bytes, dict[bytes, bytes]] = {b"g1": {}, b"g2": {}, b"\xff\xff": {}}

    @rule(group=_GROUPS, key=KEYS, value=VALUES)
    def put(self, group, key, value) -> None:
        self.table.put(group, key, value)
        self.model[group][key] = value

    @rule(group=_GROUPS, key=KEYS)
    def delete(self, group, key) -> None:
        self.table.delete(group, key)
        self.model[group].pop(key, None)

    @rule(group=_GROUPS)
    def drop(self, group) -> None:
        self.table.drop(group)
        self.model[group] = {}

    @rule()
    def flush(self) -> None:
        self.store.write(drained(self.table, self.recent if self.remembered else None))
        assert self.table.count == 0

    @rule(group=_GROUPS, start=KEYS)
    def rows_from(self, group, start) -> None:
        expected = sorted(item for item in self.model[group].items() if item[0] >= start)
        assert self.table.rows(group, start) == expected

    @rule(group=_GROUPS, start=KEYS, limit=st.integers(0, 4))
    def page_from(self, group, start, limit) -> None:
        expected = sorted(item for item in self.model[group].items() if item[0] >= start)
        assert self.table.page(group, start, limit) == expected[:limit]

    @invariant()
    def every_row_is_there(self) -> None:
        for group, rows in self.model.items():
            assert self.table.rows(group) == sorted(rows.items())
            for key in (b"", b"a", b"ab", b"\xff"):
                assert self.table.get(group, key) == rows.get(key)


class SmallGroupsAgainstADictionary(GroupsAgainstADictionary):
    """Rows in groups, of which small ones are remembered whole."""

    kind = SmallGroups
    remembered = False

    @rule(group=_GROUPS, key=KEYS, size=st.sampled_from([ROW_BYTES_MAX - 2, ROW_BYTES_MAX + 1]))
    def put_long(self, group, key, size) -> None:
        self.put(group, key, bytes(size))

    @rule(group=_GROUPS, count=st.integers(1, ROWS_MAX + 2))
    def put_many(self, group, count) -> None:
        for number in range(count):
            self.put(group, b"n%d" % number, b"")

    @rule()
    def read_many_others(self) -> None:
        for number in range(GROUPS_REMEMBERED):
            assert not list(self.table.paged(b"x%d" % number, 1))

    @rule(group=_GROUPS, size=st.integers(1, 20))
    def all_rows(self, group, size) -> None:
        assert list(self.table.paged(group, size)) == sorted(self.model[group].items())


class GrowingGroupsAgainstLists(RuleBasedStateMachine):
    """Groups that only grow at their ends, and begin anew."""

    @initialize()
    def begin(self) -> None:
        self.store = Store()
        self.model: dict[bytes, list[bytes]] = {b"g1": [], b"g2": []}
        self.table: GroupTable[bytes]
        self.restart()

    def restart(self) -> None:
        self.recent = Recent(self.store, _RECENT_BYTES)
        self.table = GroupTable(self.recent, b"t", bytes, bytes)

    @rule(
        group=st.sampled_from([b"g1", b"g2"]),
        sizes=st.lists(st.sampled_from([0, 1, 2, VALUE_BYTES_MAX + 1]), max_size=5),
    )
    def grow(self, group, sizes) -> None:
        rows = self.model[group]
        for size in sizes:
            row = bytes([len(rows)]) * size
            self.table.put(group, one_byte(len(rows)), row)
            rows.append(row)

    @rule(group=st.sampled_from([b"g1", b"g2"]), counted=st.booleans())
    def drop(self, group, counted) -> None:
        if counted:
            self.table.drop_counted(group, len(self.model[group]), one_byte)
        else:
            self.table.drop(group)
        self.model[group] = []

    @rule(remembered=st.booleans(), restarted=st.booleans())
    def flush(self, remembered, restarted) -> None:
        self.store.write(drained(self.table, self.recent if remembered else None))
        if restarted or not remembered:
            self.restart()

    @invariant()
    def every_row_is_there(self) -> None:
        for group, rows in self.model.items():
            count = len(rows)
            assert self.table.counted(group, count, one_byte) == rows
            for start in range(count + 1):
                assert self.table.tail(group, start, count, one_byte) == rows[start:]


GroupsAgainstADictionary.TestCase.settings = LAW
GrowingGroupsAgainstLists.TestCase.settings = LAW
SmallGroupsAgainstADictionary.TestCase.settings = LAW
TestGroups = GroupsAgainstADictionary.TestCase
TestGrowingGroups = GrowingGroupsAgainstLists.TestCase
TestSmallGroups = SmallGroupsAgainstADictionary.TestCase


def test_a_small_group_is_looked_for_once():
    store = Store()
    table = SmallGroups(Recent(store), b"t", bytes, bytes)
    for group in (b"g", b"h"):
        assert list(table.paged(group, 4)) == []
    table.put(b"g", b"k", b"1")
    store.write(drained(table))
    store.starts.clear()
    assert list(table.paged(b"g", 4)) == [(b"k", b"1")]
    assert list(table.paged(b"h", 4)) == []
    assert store.starts == []


def test_a_large_group_is_encoded_in_steps_and_small_ones_together(monkeypatch):
    monkeypatch.setattr(changes, "PIECE_ROWS", 4)
    table: GroupTable[bytes] = GroupTable(Recent(Store()), b"t", bytes, bytes)
    for group in (b"1", b"2", b"3"):
        table.put(group, b"a", b"")
        table.put(group, b"b", b"")
    for place in range(5):
        table.put(b"4", one_byte(place), b"")
    gathered: list[tuple[bytes, bytes | None]] = []
    assert [len(gathered) for _ in table.gather(gathered)] == [4, 8, 11]
    assert len(dict(gathered)) == 11


@pytest.mark.parametrize("count", [0, 1, 3, 4, 7, 8])
def test_a_group_may_be_read_page_by_page(count):
    store = Store()
    table = GroupTable(Recent(store), b"t", bytes, bytes)
    for number in range(count):
        table.put(b"g", b"%d" % number, b"v")
        if number == 2:
            store.write(drained(table))
    assert list(table.paged(b"g", 4)) == table.rows(b"g")


def one_byte(place: int) -> bytes:
    return bytes([place])


def drop(table: GroupTable[bytes], count: int, *, counted: bool) -> None:
    if counted:
        table.drop_counted(b"g", count, one_byte)
    else:
        table.drop(b"g")


either_way = pytest.mark.parametrize("counted", [False, True])


@either_way
def test_all_rows_of_a_growing_group_are_found_wherever_they_are(counted):
    store = Store()
    table: GroupTable[bytes] = GroupTable(Recent(store), b"t", bytes, bytes)
    for flushed in range(6):
        drop(table, 5, counted=counted)
        for place in range(5):
            table.put(b"g", one_byte(place), bytes([flushed, place]))
            if place + 1 == flushed:
                store.write(drained(table))
        assert table.counted(b"g", 5, one_byte) == [bytes([flushed, place]) for place in range(5)]


@either_way
@pytest.mark.parametrize("count", [1, 2])
def test_a_group_that_begins_anew_shows_nothing_of_what_was_dropped(count, counted):
    store = Store()
    table: GroupTable[bytes] = GroupTable(Recent(store), b"t", bytes, bytes)
    for place in range(3):
        table.put(b"g", bytes([place]), b"old")
    store.write(drained(table))
    drop(table, 3, counted=counted)
    for place in range(count):
        table.put(b"g", bytes([place]), b"new")
    assert table.counted(b"g", count, one_byte) == [b"new"] * count
    drop(table, count, counted=counted)
    store.write(drained(table))
    assert table.rows(b"g") == []


@either_way
def test_a_group_of_which_only_the_end_was_new_begins_anew_in_order(counted):
    store = Store()
    table: GroupTable[bytes] = GroupTable(Recent(store), b"t", bytes, bytes)
    table.put(b"g", b"\x00", b"old")
    store.write(drained(table))
    table.put(b"g", b"\x01", b"old")
    drop(table, 2, counted=counted)
    table.put(b"g", b"\x00", b"first")
    table.put(b"g", b"\x01", b"second")
    assert table.counted(b"g", 2, one_byte) == [b"first", b"second"]


def test_of_what_was_written_lately_the_store_is_not_asked():
    store = Store()
    recent = Recent(store)
    table: GroupTable[bytes] = GroupTable(recent, b"t", bytes, bytes)
    for place in range(5):
        table.put(b"g", one_byte(place), b"row")
    store.write(drained(table, recent))
    table.put(b"g", one_byte(5), b"row")
    store.held.clear()
    assert table.counted(b"g", 6, one_byte) == [b"row"] * 6
    assert store.starts == []


def test_the_end_of_a_group_that_was_just_written_is_not_looked_for():
    store = Store()
    table: GroupTable[bytes] = GroupTable(Recent(store), b"t", bytes, bytes)
    table.put(b"g", one_byte(0), b"0")
    store.write(drained(table))
    table.put(b"g", one_byte(1), b"1")
    assert table.tail(b"g", 2, 2, one_byte) == []
    assert table.tail(b"g", 1, 2, one_byte) == [b"1"]
    assert store.starts == []
    assert table.tail(b"g", 0, 2, one_byte) == [b"0", b"1"]
