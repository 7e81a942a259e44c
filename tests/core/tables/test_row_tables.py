"""Tables against a plain dictionary, whatever is done to them and whenever they are flushed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from perdure.core.tables.changes import (
    LONG_ROW_BYTES,
    RECENT_BYTES,
    RECENT_ROWS,
    FrontTable,
    GroupTable,
    RowTable,
    after_prefix,
)
from perdure.core.tables.small_groups import (
    GROUPS_REMEMBERED,
    ROW_BYTES_MAX,
    ROWS_MAX,
    SmallGroups,
)

_KEYS = st.sampled_from([b"", b"\x00", b"a", b"a\x00", b"ab", b"b", b"\xff", b"\xff\xff"])
_GROUPS = st.sampled_from([b"g1", b"g2", b"\xff\xff"])
_VALUES = st.binary(max_size=2)
#: Of these few are remembered, or none.
_LONG = [bytes(RECENT_BYTES // 2), bytes(RECENT_BYTES // 2 + 1), bytes(RECENT_BYTES + 1)]


class Store:
    """Ordered bytes that count how often they are asked."""

    def __init__(self) -> None:
        self.held: dict[bytes, bytes] = {b"s": b"before", b"u": b"behind"}
        self.written: list[tuple[bytes, bytes | None]] = []
        #: Where scans began.
        self.starts: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        return self.held.get(key)

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        self.starts.append(start)
        for key in sorted(self.held):
            if start <= key < end:
                yield key, self.held[key]

    def write(self, changes: list[tuple[bytes, bytes | None]]) -> None:
        self.written = changes
        for key, value in changes:
            if value is None:
                self.held.pop(key, None)
            else:
                self.held[key] = value


class RowsAgainstADictionary(RuleBasedStateMachine):
    """Rows under single keys."""

    @initialize()
    def begin(self) -> None:
        self.store = Store()
        self.table: FrontTable[bytes] = FrontTable(self.store, b"t", bytes, bytes)
        self.model: dict[bytes, bytes] = {}

    @rule(key=_KEYS, value=_VALUES)
    def put(self, key, value) -> None:
        self.table.put(key, value)
        self.model[key] = value

    @rule(key=_KEYS, which=st.integers(0, len(_LONG) - 1))
    def put_long(self, key, which) -> None:
        self.put(key, _LONG[which])

    @rule(key=_KEYS, value=_VALUES)
    def insert(self, key, value) -> None:
        if key not in self.model:
            self.table.insert(key, value)
            self.model[key] = value

    @rule(key=_KEYS)
    def delete(self, key) -> None:
        self.table.delete(key)
        self.model.pop(key, None)

    @rule()
    def flush(self) -> None:
        self.store.write(drained(self.table))

    @precondition(lambda self: not self.table.changed)
    @rule()
    def restart(self) -> None:
        self.table = FrontTable(self.store, b"t", bytes, bytes)

    @rule(end=_KEYS, limit=st.integers(1, 4))
    def first(self, end, limit) -> None:
        rows = sorted((key, row) for key, row in self.model.items() if key < end)
        assert self.table.first(end, limit) == rows[:limit]

    @rule(start=_KEYS, end=_KEYS, limit=st.integers(1, 4))
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


class GroupsAgainstADictionary(RuleBasedStateMachine):
    """Rows in groups."""

    @initialize()
    def begin(self) -> None:
        self.store = Store()
        self.table: GroupTable[bytes] = GroupTable(self.store, b"t", bytes, bytes)
        self.model: dict[bytes, dict[bytes, bytes]] = {b"g1": {}, b"g2": {}, b"\xff\xff": {}}

    @rule(group=_GROUPS, key=_KEYS, value=_VALUES)
    def put(self, group, key, value) -> None:
        self.table.put(group, key, value)
        self.model[group][key] = value

    @rule(group=_GROUPS, key=_KEYS)
    def delete(self, group, key) -> None:
        self.table.delete(group, key)
        self.model[group].pop(key, None)

    @rule(group=_GROUPS)
    def drop(self, group) -> None:
        self.table.drop(group)
        self.model[group] = {}

    @rule()
    def flush(self) -> None:
        self.store.write(drained(self.table))
        assert self.table.count == 0

    @rule(group=_GROUPS, start=_KEYS)
    def rows_from(self, group, start) -> None:
        expected = sorted(item for item in self.model[group].items() if item[0] >= start)
        assert self.table.rows(group, start) == expected

    @rule(group=_GROUPS, start=_KEYS, limit=st.integers(0, 4))
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
    """Rows in groups, of which some are remembered."""

    @initialize()
    def begin(self) -> None:
        super().begin()
        self.table = SmallGroups(self.store, b"t", bytes, bytes)

    @rule(group=_GROUPS, key=_KEYS, size=st.sampled_from([ROW_BYTES_MAX - 2, ROW_BYTES_MAX + 1]))
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


_LAW = settings(max_examples=60, stateful_step_count=30, deadline=None)
RowsAgainstADictionary.TestCase.settings = _LAW
GroupsAgainstADictionary.TestCase.settings = _LAW
SmallGroupsAgainstADictionary.TestCase.settings = _LAW
TestSmallGroups = SmallGroupsAgainstADictionary.TestCase
TestRows = RowsAgainstADictionary.TestCase
TestGroups = GroupsAgainstADictionary.TestCase


def new_table() -> tuple[Store, RowTable[bytes]]:
    store = Store()
    return store, RowTable(store, b"t", bytes, bytes)


def drained(table) -> list:
    changes = []
    for _ in table.gather(changes):
        pass
    table.written()
    return changes


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


def test_a_small_group_is_looked_for_once():
    store = Store()
    table = SmallGroups(store, b"t", bytes, bytes)
    for group in (b"g", b"h"):
        assert list(table.paged(group, 4)) == []
    table.put(b"g", b"k", b"1")
    store.write(drained(table))
    store.starts.clear()
    assert list(table.paged(b"g", 4)) == [(b"k", b"1")]
    assert list(table.paged(b"h", 4)) == []
    assert store.starts == []


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


def test_what_was_just_written_is_read_without_the_store():
    store, table = new_table()
    table.put(b"k", b"1")
    store.write(drained(table))
    store.held[b"tk"] = b"not read"
    drained(table)
    assert table.get(b"k") == b"1"


def test_of_what_was_written_a_bounded_number_of_rows_is_remembered():
    store, table = new_table()
    for number in range(3 * RECENT_ROWS):
        table.put(number.to_bytes(2, "big"), b"written")
        store.write(drained(table))
    store.held = dict.fromkeys(store.held, b"read")
    remembered = [
        number
        for number in range(3 * RECENT_ROWS)
        if table.get(number.to_bytes(2, "big")) == b"written"
    ]
    assert RECENT_ROWS <= len(remembered) <= 2 * RECENT_ROWS
    assert remembered == list(range(3 * RECENT_ROWS))[-len(remembered) :]


@pytest.mark.parametrize(("size", "most"), [(RECENT_BYTES // 4, 8), (RECENT_BYTES + 1, 0)])
def test_of_long_rows_few_are_remembered(size, most):
    store, table = new_table()
    for number in range(100):
        table.put(bytes([number]), bytes(size))
        store.write(drained(table))
    store.held = dict.fromkeys(store.held, b"read")
    remembered = [number for number in range(100) if table.get(bytes([number])) != b"read"]
    assert remembered == list(range(100))[100 - most :]


@pytest.mark.parametrize("between", range(4))
@pytest.mark.parametrize("size", [1, RECENT_BYTES // 2 + 1, RECENT_BYTES + 1])
def test_a_row_that_is_written_again_is_never_remembered_as_it_was(between, size):
    store, table = new_table()
    table.put(b"k", b"1")
    store.write(drained(table))
    for _ in range(between):
        table.put(b"long", _LONG[1])
        store.write(drained(table))
    table.put(b"k", b"2")
    table.put(b"beside", bytes(size))
    store.write(drained(table))
    assert table.get(b"k") == b"2"


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


@pytest.mark.parametrize("count", [0, 1, 3, 4, 7, 8])
def test_a_group_may_be_read_page_by_page(count):
    store = Store()
    table = GroupTable(store, b"t", bytes, bytes)
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
    table: GroupTable[bytes] = GroupTable(store, b"t", bytes, bytes)
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
    table: GroupTable[bytes] = GroupTable(store, b"t", bytes, bytes)
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
    table: GroupTable[bytes] = GroupTable(store, b"t", bytes, bytes)
    table.put(b"g", b"\x00", b"old")
    store.write(drained(table))
    table.put(b"g", b"\x01", b"old")
    drop(table, 2, counted=counted)
    table.put(b"g", b"\x00", b"first")
    table.put(b"g", b"\x01", b"second")
    assert table.counted(b"g", 2, one_byte) == [b"first", b"second"]
