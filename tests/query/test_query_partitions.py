"""Queries about a server of several partitions, one of which answers for all."""
# ruff: noqa: S608 - queries about what the test itself put there

from __future__ import annotations

import asyncio
from unittest.mock import Mock

import pytest
from engine_world import ADD, settled
from query_world import RUNS, QueryWorld, object_id

from perdure.core.model.targets import HandlerKind, Target
from perdure.engine import flushing
from perdure.engine.errors import UnavailableError
from perdure.engine.moment import Order
from perdure.engine.ports import StorageError
from perdure.links.questions import EndQuery, ReadRows, ShowPartition
from perdure.protocol.messages import End, Output, SetState, Value
from perdure.query.columns import Column, Kind
from perdure.query.lender import Lender
from perdure.query.pieces import PIECE_BYTES
from perdure.query.queries import QueryLimits
from perdure.query.ranking import Top, order_of


class Frozen:
    """The port ``Clock``: always the same time, and no chance."""

    def __init__(self) -> None:
        self._drawn = 0

    def now_ms(self) -> int:
        return 1_795_292_935_473

    def chance(self) -> float:
        return 0.0

    def random_bytes(self, count: int) -> bytes:
        self._drawn += 1
        return self._drawn.to_bytes(count, "big")


@pytest.fixture(autouse=True)
def three(monkeypatch):
    monkeypatch.setattr(QueryWorld, "partitions", 3)


async def objects(world: QueryWorld, count: int, size: int = 10) -> None:
    """Give so many objects a state."""
    for number in range(count):
        target = Target("Counter", "add", HandlerKind.EXCLUSIVE, f"key {number}")
        done = (SetState(b"is", Value(b"x" * size)), Output(Value(b"")), End())
        await world.invoke(object_id(f"o{number}", target.key), target, *done)


async def forgotten(world: QueryWorld) -> None:
    """Wait until no partition keeps anything for a query."""
    async with asyncio.timeout(10):
        while any(lender._lent for lender in world.lenders):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.001)


async def test_each_partition_has_some_of_it():
    world = await (await QueryWorld().start()).populate()
    for lender in world.lenders:
        assert list((await lender._look()).view.scan(b"i", b"j"))
    [counted] = await world.rows("SELECT COUNT(*) AS n FROM sys_invocation")
    assert counted == {"n": 9}
    assert [links.heard[ReadRows] > 0 for links in world.links] == [True, True]


async def test_rows_of_one_time_are_all_ranked():
    world = QueryWorld()
    for each in world._worlds:
        each.clock = Frozen()
    await world.start()
    await objects(world, 12)
    sql = "SELECT id FROM sys_invocation ORDER BY created_at DESC, id"
    everything = await world.rows(sql)
    assert len(everything) == 12
    for limit in (1, 5, 11):
        assert await world.rows(f"{sql} LIMIT {limit}") == everything[:limit]


async def test_rows_of_all_partitions_are_joined_grouped_and_counted():
    world = await QueryWorld().start()
    await objects(world, 10)
    joined = await world.rows(
        "SELECT s.service_key AS k, COUNT(*) AS n FROM state s JOIN sys_invocation i "
        "ON i.target_service_key = s.service_key JOIN sys_journal j ON j.id = i.id "
        "WHERE j.entry_type = 'Command: SetState' GROUP BY k ORDER BY k"
    )
    assert joined == [{"k": f"key {number}", "n": 1} for number in range(10)]
    by_status = "SELECT status, COUNT(*) AS n FROM sys_invocation GROUP BY status"
    assert await world.rows(by_status) == [{"status": "completed", "n": 10}]


async def test_some_rows_are_as_many_as_asked_for():
    world = await QueryWorld().start()
    await objects(world, 10)
    for limit in (1, 4, 9):
        assert len(await world.rows(f"SELECT id FROM sys_invocation LIMIT {limit}")) == limit
    await forgotten(world)


async def test_a_query_that_ends_is_forgotten_by_all():
    world = await (await QueryWorld().start()).populate()
    await world.rows("SELECT * FROM sys_invocation")
    await forgotten(world)
    for links in world.links:
        assert links.heard[ShowPartition] == links.heard[EndQuery] == 1


async def test_a_query_that_is_left_is_forgotten_by_all():
    world = await (await QueryWorld(QueryLimits(running=1, waiting=0)).start()).populate()
    answer = world.queries.answer("SELECT * FROM sys_invocation", as_json=True)
    await anext(answer)
    await answer.aclose()
    await forgotten(world)
    assert await world.rows("SELECT COUNT(*) AS n FROM sys_invocation") == [{"n": 9}]


async def test_a_query_that_is_cancelled_while_it_runs_is_forgotten_by_all():
    world = await (await QueryWorld(QueryLimits(running=1)).start()).populate()
    asking = asyncio.ensure_future(
        world.rows("SELECT COUNT(*) FROM sys_invocation a, generate_series(1, 100000000000) b")
    )
    async with asyncio.timeout(10):
        while not all(lender._lent for lender in world.lenders):  # noqa: ASYNC110 - no event tells
            await asyncio.sleep(0.001)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await forgotten(world)


async def test_what_is_registered_is_the_same_everywhere_and_told_once():
    world = await (await QueryWorld().start()).populate()
    assert len(await world.rows("SELECT * FROM sys_deployment")) == 1
    assert len(await world.rows("SELECT * FROM sys_service")) == 3
    assert await world.rows("SELECT * FROM sys_rules") == []
    assert not any(ReadRows in links.heard for links in world.links)


async def test_large_rows_come_in_pieces():
    world = await QueryWorld().start()
    await objects(world, 4, 2 * PIECE_BYTES + 77)
    rows = await world.rows("SELECT service_key, value FROM state ORDER BY 1")
    assert [row["value"] for row in rows] == [(b"x" * (2 * PIECE_BYTES + 77)).hex()] * 4


async def test_a_partition_that_stopped_is_not_left_out():
    world = await (await QueryWorld().start()).populate()
    world._worlds[2].engine.partition.fail(RuntimeError("broken"))
    with pytest.raises(UnavailableError, match="broken"):
        await world.rows("SELECT 1")
    await forgotten(world)


async def test_a_partition_that_cannot_be_read_is_not_left_out():
    world = await (await QueryWorld().start()).populate()
    view = world._worlds[1].store.view
    world._worlds[1].store.view = Unreadable
    with pytest.raises(UnavailableError, match="the disk is gone"):
        await world.rows("SELECT id FROM sys_invocation")
    world._worlds[1].store.view = view
    assert len(await world.rows("SELECT id FROM sys_invocation")) == 9


async def test_a_lender_that_closes_ends_what_is_read():
    world = await (await QueryWorld().start()).populate()
    await world.lenders[0].show(7)
    world.lenders[0].close()
    with pytest.raises(UnavailableError, match="has ended"):
        await world.lenders[0].read(7, 0, None)


@pytest.mark.parametrize("end", [lambda lender: lender.forget(7), Lender.close])
async def test_a_query_that_ends_while_it_is_looked_for_leaves_nothing_open(monkeypatch, end):
    world = await (await QueryWorld().start()).populate()
    monkeypatch.setattr(flushing, "FLUSH_ROWS", 1)
    monkeypatch.setattr(flushing, "ENCODE_S", -1.0)
    store, closed = world._worlds[1].store, []
    monkeypatch.setattr(store, "view", lambda: Mock(close=lambda: closed.append("view")))
    showing = asyncio.ensure_future(world.lenders[0].show(7))
    await asyncio.sleep(0)
    end(world.lenders[0])
    with pytest.raises(UnavailableError, match="has ended"):
        await showing
    assert closed == ["view"]


async def test_what_runs_elsewhere_is_told():
    world = await QueryWorld().start()
    for key in "abcdef":
        await world.invoke(object_id(key, key), Target("Counter", "add", ADD.kind, key))
    await world.invoke(RUNS)
    await settled()
    rows = await world.rows(
        "SELECT id, last_start_at FROM sys_invocation WHERE status = 'running' ORDER BY 1"
    )
    assert len(rows) == 7
    assert all("last_start_at" in row for row in rows)


def test_an_order_travels():
    top = Top(Column("t", Kind.INSTANT, "", id), descending=True, nulls_first=False, count=3)
    assert order_of(top) == Order("t", descending=True, nulls_first=False, count=3)


class Unreadable:
    """A view that fails."""

    def pages(self, *_range, **_options):
        raise StorageError("the disk is gone")

    def get(self, _key):
        return None

    def close(self):
        pass
