"""Rows told by their bytes: none is kept back that could be shown."""
# ruff: noqa: S608 - queries about what the test itself put there

from __future__ import annotations

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from query_world import QueryWorld

from perdure.protocol.messages import Failure, Value
from perdure.query.columns import Column, Kind
from perdure.query.ranking import Ranking, Top
from perdure.query.sieves import SEARCHED_BYTES_MAX, TRACES_MAX, heads, number_sieve, trace_sieve
from perdure.query.tables.catalog import TABLES
from perdure.query.tables.invocation_rows import CREATED_AT_PLACE

encode = msgspec.msgpack.encode
NAME = Column("name", Kind.TEXT, "", str, traces=lambda name: (name.encode(),))
TRACED = [
    (table, column)
    for table in TABLES.values()
    for column in table.columns
    if column.traces is not None
]
LONG = 2**32
numbers = st.integers(0, 2**64 - 1) | st.integers(LONG - 3, LONG + 3)


def row(number):
    return b"key", b"\xdc\x00\x11" + encode(number) + b"\xff" * 9


async def populated():
    return await (await QueryWorld().start()).populate()


@pytest.mark.parametrize(("table", "column"), TRACED)
async def test_each_value_leaves_its_trace_in_what_is_stored(table, column):
    seen = await (await populated()).engine.look()
    found = [each for piece in table.find(seen, {}) for each in piece]
    values = list(map(column.get, table.reader(seen, [column])(found)))
    assert set(values) != {None}
    for (_, stored), value in zip(found, values, strict=True):
        assert value is None or any(trace in stored for trace in column.traces(value))


@pytest.mark.parametrize(("table", "column"), TRACED)
async def test_who_asks_for_a_value_gets_all_rows_that_have_it(table, column):
    world = await populated()
    rows = await world.rows(f"SELECT id, {column.name} FROM {table.name}")
    values = sorted({each[column.name] for each in rows if column.name in each})
    for value in (*values, "another"):
        having = await world.rows(
            f"SELECT id, {column.name} FROM {table.name} WHERE {column.name} = '{value}'"
        )
        assert having == [each for each in rows if each.get(column.name) == value]


async def test_the_time_of_creation_stands_at_its_place():
    world = await populated()
    seen = await world.engine.look()
    for name in ("sys_invocation", "sys_invocation_status"):
        column = TABLES[name].column("created_at")
        found = [each for piece in TABLES[name].find(seen, {}) for each in piece]
        assert column.place == CREATED_AT_PLACE
        for (_, stored), one in zip(found, TABLES[name].reader(seen, [column])(found), strict=True):
            assert stored[column.place :].startswith(encode(column.get(one)))


def sifted(names, rows):
    sieve = trace_sieve({"name": frozenset(names)}, [NAME])
    return [key for key, _ in sieve(rows)]


@pytest.mark.parametrize("many", [0, 1, 7, 1_000])
def test_rows_without_a_trace_are_left_out(many):
    others = [(b"ada", b"nobody")] * many
    rows = [(b"1", b"..ada.."), *others, (b"2", b"bob"), (b"3", b"adada"), *others, (b"4", b"bob")]
    assert set(sifted(["ada"], rows)) >= {b"1", b"3"}
    assert set(sifted(["ada", "bob"], rows)) >= {b"1", b"2", b"3", b"4"}
    if many > 16:
        assert sifted(["ada"], rows) == [b"1", b"3"]
        assert sifted(["ada", "bob"], rows) == [b"1", b"2", b"3", b"4"]
    assert sifted(["eve"], rows) == []
    assert sifted([], rows) == []


pieces = st.text("ab\0", max_size=5).map(str.encode)


@given(st.lists(pieces, max_size=60), st.lists(st.sampled_from(["a", "b", "aa", ""]), max_size=3))
def test_a_row_with_a_trace_is_never_left_out(values, names):
    rows = [(b"%d" % place, value) for place, value in enumerate(values)]
    having = [key for key, value in rows if any(name.encode() in value for name in names)]
    left = sifted(names, rows)
    assert set(having) <= set(left)
    assert left == [key for key, _ in rows if key in left]


def test_all_columns_must_have_left_a_trace():
    other = Column("other", Kind.TEXT, "", str, traces=lambda name: (name.upper().encode(),))
    wanted = {"name": frozenset({"ada"}), "other": frozenset({"bob"})}
    sieve = trace_sieve(wanted, [NAME, other])
    rows = [(b"1", b"ada"), (b"3", b"BOB")] * 20 + [(b"0", b"")] * 400
    assert sieve([*rows, (b"2", b"adaBOB")]) == [(b"2", b"adaBOB")]


def test_what_is_very_large_is_not_searched():
    assert sifted(["ada"], [(b"1", bytes(SEARCHED_BYTES_MAX)), (b"2", b"")]) == [b"1", b"2"]


@pytest.mark.parametrize(
    "condition",
    [
        "target_service_name = NULL",
        "completion_result = NULL OR completion_result = 'failure'",
        "target_service_name = 'Greeter' AND target_service_name = 'Counter'",
    ],
)
async def test_what_compares_with_null_or_contradicts_itself_finds_nothing_else(condition):
    world = await populated()
    table = "(SELECT id, target_service_name || '' AS target_service_name, "
    table += "completion_result || '' AS completion_result FROM sys_invocation)"
    asked = f"SELECT id FROM sys_invocation WHERE {condition} ORDER BY id"
    slowly = f"SELECT id FROM {table} WHERE {condition} ORDER BY id"
    assert await world.rows(asked) == await world.rows(slowly)


def test_many_values_are_not_looked_for():
    many = frozenset(map(str, range(TRACES_MAX + 1)))
    assert trace_sieve({"name": many}, [NAME]) is None
    assert trace_sieve({"other": frozenset({"ada"})}, [NAME]) is None


@given(st.lists(numbers, max_size=20), numbers, st.booleans())
def test_a_number_that_passes_is_never_left_out(written, bound, least):
    sieve = number_sieve(CREATED_AT_PLACE, bound, least=least)
    if sieve is None:
        assert bound < LONG or bound >= 2**63 - 1
        return
    found = [row(number) for number in written]
    passing = [number >= bound if least else number <= bound for number in written]
    assert sieve(found) == [each for each, passes in zip(found, passing, strict=True) if passes]


@given(
    st.lists(st.lists(st.integers(0, 2**40), max_size=20), max_size=8),
    st.booleans(),
    st.integers(1, 4),
)
def test_what_a_ranking_leaves_out_by_its_bytes_is_not_among_the_first(batches, descending, count):
    column = Column("t", Kind.INSTANT, "", str, place=CREATED_AT_PLACE)
    ranking = Ranking(Top(column, descending, nulls_first=False, count=count))
    ranking._room = 3 * count  # so that few rows are many
    given_back = []
    for batch in batches:
        number_of = {row(number): number for number in batch}
        found = ranking.promising([row(number) for number in batch])
        values = [number_of[each] for each in found]
        given_back += ranking.add(values, pa.array(values, pa.timestamp("ms")))
    given_back += ranking.take()
    everything = [number for batch in batches for number in batch]
    assert (
        sorted(given_back, reverse=descending)[:count]
        == (sorted(everything, reverse=descending)[:count])
    )


@pytest.mark.parametrize(
    "outcome",
    [
        Value(b"x"),
        Failure(500, "m"),
        Failure(500, "m", (("a", "b"),)),
    ],
)
def test_a_value_begins_with_one_of_the_heads_of_its_kind(outcome):
    assert encode(outcome).startswith(heads(type(outcome)))


def test_what_an_older_version_wrote_without_a_new_field_has_a_head_too():
    older = encode([6, 500, "no metadata"])
    assert msgspec.msgpack.decode(older, type=Failure) == Failure(500, "no metadata")
    assert older.startswith(heads(Failure))
    assert not older.startswith(heads(Value))
