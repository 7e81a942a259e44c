"""The first rows of an order: which plans need no others, and which rows they are."""
# ruff: noqa: S608 - queries about what the test itself put there

from __future__ import annotations

import pyarrow as pa
import pytest
from datafusion import SessionContext
from hypothesis import given
from hypothesis import strategies as st
from query_world import QueryWorld

from perdure.query.columns import Column, Kind
from perdure.query.plans import Ordered, first_rows
from perdure.query.ranking import Ranking, Top

TIME = Column("t", Kind.INSTANT, "", lambda row: row)
values = st.lists(st.one_of(st.none(), st.integers(-5, 5)), max_size=40)


def first(rows, top):
    """Order as the SQL engine does."""

    def place(value):
        if value is None:
            return (not top.nulls_first, 0)
        return (top.nulls_first, -value if top.descending else value)

    return sorted(rows, key=place)[: top.count]


@given(st.lists(values, max_size=8), st.booleans(), st.booleans(), st.integers(1, 4))
def test_the_first_rows_are_never_lost(batches, descending, nulls_first, count):
    top = Top(TIME, descending, nulls_first, count)
    ranking = Ranking(top)
    ranking._room = 3 * count  # so that few rows are many
    given_back = []
    for batch in batches:
        given_back += ranking.add(batch, pa.array(batch, pa.timestamp("ms")))
    given_back += ranking.take()
    everything = [value for batch in batches for value in batch]
    assert first(given_back, top) == first(everything, top)


def test_what_cannot_be_among_the_first_is_dropped():
    ranking = Ranking(Top(TIME, descending=True, nulls_first=False, count=10))
    for start in range(0, 100_000, 1000):
        batch = list(range(start, start + 1000))
        assert ranking.add(batch, pa.array(batch, pa.timestamp("ms"))) == []
    assert len(ranking.take()) < 10_000


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT a FROM t ORDER BY n DESC LIMIT 3", ("t", "n", True, True, 3)),
        ("SELECT a FROM t ORDER BY n, a LIMIT 3 OFFSET 2", ("t", "n", False, False, 5)),
        ("SELECT x FROM (SELECT n AS m, a AS x FROM t) q ORDER BY m LIMIT 1",
         ("t", "n", False, False, 1)),
        ("SELECT a FROM t ORDER BY n DESC NULLS LAST LIMIT 3", ("t", "n", True, False, 3)),
        ("SELECT a FROM t", None),
        ("SELECT a FROM t ORDER BY n", None),
        ("SELECT a FROM t ORDER BY n + 1 LIMIT 3", None),
        ("SELECT a FROM (SELECT n + 1 AS n, a FROM t) ORDER BY n LIMIT 3", None),
        ("SELECT a, COUNT(*) AS n FROM t GROUP BY a ORDER BY n LIMIT 3", None),
        ("SELECT t.a FROM t JOIN u ON t.a = u.a ORDER BY t.n LIMIT 3", None),
        ("SELECT a, ROW_NUMBER() OVER (ORDER BY n) FROM t ORDER BY n LIMIT 3", None),
        ("SELECT a FROM t WHERE n > (SELECT MAX(n) FROM t) ORDER BY n LIMIT 3", None),
        ("SELECT a FROM t WHERE n > (SELECT MAX(n) FROM datafusion.public.t) ORDER BY n LIMIT 3",
         None),
        ("SELECT a FROM t UNION ALL SELECT a FROM u ORDER BY a LIMIT 3", None),
        ("SELECT 1 AS n ORDER BY n LIMIT 1", None),
    ],
)  # fmt: skip
def test_which_first_rows_are_all_that_a_plan_shows(sql, found):
    context = SessionContext()
    for name in ("t", "u"):
        context.from_pydict({"a": ["x"], "n": [1]}, name=name)
    plan = context.sql(sql).optimized_logical_plan()
    assert first_rows(plan) == (None if found is None else Ordered(*found))


@pytest.mark.parametrize(
    "order", ["created_at DESC", "created_at", "completed_at DESC", "completed_at", "inboxed_at"]
)
@pytest.mark.parametrize("condition", ["", "WHERE status != 'completed'", "WHERE 1 = 0"])
@pytest.mark.usefixtures("partitions")
async def test_the_first_page_is_the_beginning_of_all(order, condition):
    world = await (await QueryWorld().start()).populate()
    ordered = f"SELECT * FROM sys_invocation {condition} ORDER BY {order}, id"
    everything = await world.rows(ordered)
    assert await world.rows(f"{ordered} LIMIT 3") == everything[:3]
    assert await world.rows(f"{ordered} LIMIT 2 OFFSET 1") == everything[1:3]
