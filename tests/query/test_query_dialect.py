"""Operators on JSON, written as calls."""

# ruff: noqa: S608 - queries that are never asked

from __future__ import annotations

import pytest
from query_world import QueryWorld

from perdure.query.columns import QueryError
from perdure.query.dialect import WORDS_MAX, translate


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("SELECT 1", "SELECT 1"),
        ("SELECT a ->> 'k' FROM t", "SELECT json_as_text(a, 'k') FROM t"),
        ("SELECT e.a->>'k'", "SELECT json_as_text(e.a, 'k')"),
        ("SELECT a -> 'k' ->> 'l'", "SELECT json_as_text(json_get_json(a, 'k'), 'l')"),
        ("WHERE (a ->> 'k') LIKE 'x%'", "WHERE (json_as_text(a, 'k')) LIKE 'x%'"),
        ("SELECT lower(a) ->> 'k'", "SELECT json_as_text(lower(a), 'k')"),
        ("SELECT (a || b) -> 0", "SELECT  json_get_json((a || b), 0)"),
        ('SELECT "A"."b" ->> concat', 'SELECT json_as_text("A"."b", concat)'),
        ("SELECT 'a ->> b'", "SELECT 'a ->> b'"),
        ("SELECT 'it''s ->', a -> 'it''s'", "SELECT 'it''s ->', json_get_json(a, 'it''s')"),
        ("SELECT a -- ->> no\n->> 'k'", "SELECT json_as_text(a, 'k')"),
        ("WHERE (a)  ->> 'k'", "WHERE  json_as_text((a), 'k')"),
        ("WHERE b AND(a) ->> 'k'", "WHERE b AND json_as_text((a), 'k')"),
        ("SELECT a::text ->> 'k'", "SELECT json_as_text(a::text, 'k')"),
        ("SELECT (a || b)::text -> 0", "SELECT  json_get_json((a || b)::text, 0)"),
        (
            "SELECT a -> lower('K') ->> c[1]",
            "SELECT json_as_text(json_get_json(a, lower('K')), c[1])",
        ),
        ("SELECT a /* -> */ -> ('k')", "SELECT json_get_json(a, ('k'))"),
    ],
)
def test_operators_become_calls(written, meant):
    assert translate(written) == meant


@pytest.mark.parametrize(
    "sql",
    ["->> 'k'", "SELECT a ->>", "SELECT ) -> 1", "SELECT a -> (", "->", "SELECT CASE a END -> 0"],
)
def test_operators_without_operands_are_refused(sql):
    with pytest.raises(QueryError):
        translate(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1" + " + 1" * WORDS_MAX,
        "SELECT 1" + " UNION ALL SELECT 1" * WORDS_MAX,
        "SELECT id FROM state WHERE true" + " AND key <> 'x'" * WORDS_MAX,
        "SELECT 1 FROM " + ", ".join(f"state s{number}" for number in range(WORDS_MAX)),
        "SELECT 1" + "::int" * WORDS_MAX,
        "SELECT " + "- " * WORDS_MAX + "1",
        "SELECT a" + " -> 'k'" * WORDS_MAX,
    ],
)
def test_what_would_be_walked_too_deep_is_refused(sql):
    with pytest.raises(QueryError, match="words beside its values"):
        translate(sql)


def test_long_lists_of_values_are_welcome():
    listed = ", ".join(f"'inv_{number}'" for number in range(10 * WORDS_MAX))
    sql = f"SELECT * FROM state WHERE key IN ({listed})"
    assert translate(sql) == sql


DOCUMENT = """'{"s":"x","n":7,"f":1.5,"b":true,"z":null,"l":[1,{"k":2}],"o":{"p":1}}'"""


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("d ->> 's'", "x"),
        ("d ->> 'n'", "7"),
        ("d ->> 'z'", None),
        ("d ->> 'none'", None),
        ("d -> 'l'", '[1,{"k":2}]'),
        ("d -> 'l' -> 1 ->> 'k'", "2"),
        ("d -> 'l' ->> 9", None),
        ("d -> 'z'", "null"),
        ("json_get_str(d, 's')", "x"),
        ("json_get_str(d, 'n')", None),
        ("json_get_int(d, 'n')", 7),
        ("json_get_int(d, 'b')", None),
        ("json_get_float(d, 'f')", 1.5),
        ("json_get_bool(d, 'b')", True),
        ("json_get_array(d, 'l')", '[1,{"k":2}]'),
        ("json_length(d, 'l')", 2),
        ("json_len(d)", 7),
        ("json_contains(d, 'z')", True),
        ("json_contains(d, 'none')", False),
        ("json_keys(d -> 'o')", ["p"]),
        ("'no json' ->> 'k'", None),
        ("NULL ->> 'k'", None),
    ],
)
async def test_what_stands_in_json(expression, value):
    world = await QueryWorld().start()
    [row] = await world.rows(f"SELECT {expression} AS v, 1 AS one FROM (SELECT {DOCUMENT} AS d)")
    assert row.get("v") == value
