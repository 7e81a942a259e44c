"""What is read of what is stored: as little as columns look at, and all that they look at."""

from __future__ import annotations

import pytest
from query_world import QueryWorld

from perdure.core.model.invocations import Invocation, Running
from perdure.query.columns import Alike
from perdure.query.partial import decoder
from perdure.query.tables import invocation_rows
from perdure.query.tables.catalog import TABLES


async def moment():
    world = await (await QueryWorld().start()).populate()
    return await world.engine.look()


@pytest.mark.parametrize("name", TABLES)
async def test_each_column_is_the_same_alone_and_with_all_others(name):
    table, seen = TABLES[name], await moment()
    found = [each for piece in table.find(seen, {}) for each in piece]
    whole = table.reader(seen, table.columns)(found)
    for column in table.columns:
        alone = table.reader(seen, [column])(found)
        assert list(map(column.get, alone)) == list(map(column.get, whole)), column.name


@pytest.mark.parametrize("name", ["sys_invocation", "sys_invocation_status"])
async def test_statuses_are_those_that_are_declared(name):
    table, seen = TABLES[name], await moment()
    [column] = [column for column in table.columns if column.name == "status"]
    for piece in table.find(seen, {}):
        assert set(map(column.get, table.reader(seen, [column])(piece))) <= column.values


async def test_what_is_in_no_list_of_what_is_open_has_ended(monkeypatch):
    seen = await moment()
    table = TABLES["sys_invocation"]
    [column] = [column for column in table.columns if column.name == "status"]
    found = [each for piece in table.find(seen, {}) for each in piece]
    listed = list(map(column.get, table.reader(seen, [column])(found)))
    monkeypatch.setattr(invocation_rows, "LOOKUPS_MAX", 0)
    assert list(map(column.get, table.reader(seen, [column])(found))) == listed


@pytest.mark.parametrize("name", ["sys_invocation", "sys_invocation_status"])
async def test_a_status_is_told_by_the_key_alone(name):
    table, seen = TABLES[name], await moment()
    column = table.column("status")
    keys = table.find_keys(seen, {}, frozenset({invocation_rows.STATUS_NAME}))
    bare = [(key, b"") for piece in keys for key, _ in piece]
    found = [each for piece in table.find(seen, {}) for each in piece]
    read = table.reader(seen, [column])
    assert [key for key, _ in bare] == [key for key, _ in found]
    assert list(map(column.get, read(bare))) == list(map(column.get, read(found)))


async def test_keys_alone_are_read_only_where_they_tell_all(monkeypatch):
    seen, status = await moment(), frozenset({invocation_rows.STATUS_NAME})
    find_keys = TABLES["sys_invocation"].find_keys
    assert find_keys(seen, {}, frozenset()) is not None
    assert find_keys(seen, {}, status | {"target"}) is None
    assert find_keys(seen, {"status": frozenset({"paused"})}, status) is None
    assert TABLES["sys_journal"].find_keys(seen, {}, frozenset()) is None
    monkeypatch.setattr(invocation_rows, "LOOKUPS_MAX", 0)
    assert find_keys(seen, {}, status) is None


@pytest.mark.parametrize("limit", [0, 20_000])
@pytest.mark.parametrize(
    "statuses", [{"suspended"}, {"paused", "running"}, {"pending", "scheduled", "backing-off"}]
)
async def test_what_is_open_is_found_by_its_status(monkeypatch, limit, statuses):
    monkeypatch.setattr(invocation_rows, "LOOKUPS_MAX", limit)
    world = await (await QueryWorld().start()).populate()
    listed = ", ".join(f"'{status}'" for status in statuses)
    rows = await world.rows(f"SELECT status FROM sys_invocation WHERE status IN ({listed})")  # noqa: S608 - names of ours
    assert {row["status"] for row in rows} == statuses


def test_a_partial_row_has_its_fields_and_stands_for_itself():
    world_row = Invocation.__struct_fields__
    assert world_row[:4] == ("created_at", "modified_at", "target", "status")
    encoded = b"\x97\x07\x08\xc0\x91\x02\x92\x01\x02\x92\x00\x00\xa5never"
    row = decoder(Invocation, frozenset({"status", "created_at"}))(encoded)
    assert (row.status, row.created_at, row.row) == (Running(), 7, row)
    assert decoder(Invocation, frozenset())(b"not even msgpack") is None


def test_rows_that_say_the_same_are_one():
    rows = Alike("x", 5)
    assert (len(rows), rows[0], list(rows), list(rows[1:3])) == (5, "x", ["x"] * 5, ["x"] * 2)
