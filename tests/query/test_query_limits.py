"""Queries that are wrong, endless, too many, or abandoned."""

from __future__ import annotations

import asyncio

import pytest
from query_world import QueryWorld

from perdure.engine.errors import OverloadedError, UnavailableError
from perdure.query.columns import QueryError
from perdure.query.queries import QueryLimits

ENDLESS = "SELECT COUNT(*) FROM generate_series(1, 100000000000) a, generate_series(1, 10000) b"


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE state",
        "CREATE TABLE x AS SELECT 1",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/etc/passwd'",
        "INSERT INTO state SELECT * FROM state",
        "UPDATE state SET key = 'x'",
        "DELETE FROM state",
        "COPY state TO 'never.csv'",
        "SET datafusion.execution.batch_size = 1",
    ],
)
async def test_what_does_not_only_read_is_refused(sql):
    world = await QueryWorld().start()
    with pytest.raises(QueryError, match="queries only read"):
        await world.rows(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "selec 1",
        "SELECT 1; SELECT 2",
        "SELECT * FROM nobody",
        "SELECT nothing FROM state",
        "SELECT 1/0",
        "SELECT * FROM '/etc/passwd'",
        "SELECT 'x",
        "SELECT CAST('x' AS BIGINT)",
    ],
)
async def test_what_is_wrong_is_told(sql):
    world = await QueryWorld().start()
    with pytest.raises(QueryError):
        await world.rows(sql)


async def test_an_endless_query_ends():
    world = await QueryWorld(QueryLimits(seconds=0.2)).start()
    with pytest.raises(QueryError, match=r"longer than 0\.2 s"):
        await world.rows(ENDLESS)


async def test_a_query_that_takes_too_much_memory_ends():
    world = await QueryWorld().start()
    with pytest.raises(QueryError, match=r"[Rr]esources exhausted"):
        await world.rows("SELECT value FROM generate_series(1, 1000000000) ORDER BY value % 7")


async def test_too_many_queries_are_refused():
    world = await QueryWorld(QueryLimits(running=1, waiting=0)).start()
    running = asyncio.ensure_future(world.rows(ENDLESS))
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await world.rows("SELECT 1")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await world.rows("SELECT 1 AS one") == [{"one": 1}]


async def test_an_abandoned_answer_gives_its_place_free():
    world = await QueryWorld(QueryLimits(running=1, waiting=0)).start()
    answer = world.queries.answer("SELECT * FROM generate_series(1, 100000)", as_json=True)
    await anext(answer)
    await answer.aclose()
    assert await world.rows("SELECT 1 AS one") == [{"one": 1}]


async def test_an_engine_that_stopped_shows_nothing():
    world = await QueryWorld().start()
    world.engine.partition.fail(RuntimeError("broken"))
    with pytest.raises(UnavailableError, match="broken"):
        await world.rows("SELECT 1")
