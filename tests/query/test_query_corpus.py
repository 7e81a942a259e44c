"""What clients of the original ask, and the types that they are told."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from benchmarks.queries import QUERIES
from query_world import ENDED, QueryWorld

from perdure.protocol.ids import invocation_text
from perdure.query.columns import QueryError
from perdure.query.reference import render
from perdure.query.tables.catalog import TABLES

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT.parent / "shared" / "reference"

with_reference = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason=f"the reference is not there: {REFERENCE}"
)


def corpus():
    lines = (REFERENCE / "queries.jsonl").read_text().splitlines()
    return [(each["query"], each["accept"]) for each in map(json.loads, lines)]


@with_reference
@pytest.mark.usefixtures("partitions")
async def test_every_query_that_the_original_answers_is_answered():
    world = await (await QueryWorld().start()).populate()
    refused = []
    for query, accept in corpus():
        ask = world.rows if accept == "application/json" else world.table
        try:
            await ask(query)
        except QueryError as error:
            refused.append(str(error))
    assert len(refused) == 6, refused
    assert all("non valid invocation id" in each for each in refused)


@pytest.mark.parametrize("title", QUERIES)
@pytest.mark.usefixtures("partitions")
async def test_what_the_benchmark_asks_is_answered(title):
    world = await (await QueryWorld().start()).populate()
    for query in QUERIES[title]:
        rows = await world.rows(query.replace("{id}", invocation_text(ENDED)))
        assert rows or "Bench" in query


@with_reference
async def test_tables_have_the_columns_and_types_of_the_reference():
    world = await QueryWorld().start()
    sections = documented()
    assert sections.keys() <= TABLES.keys()
    for name, columns in sections.items():
        declared = [(column.name, column.kind.value) for column in TABLES[name].columns]
        assert declared == columns, name
        answered = await world.table(f"SELECT * FROM {name}")  # noqa: S608 - a name of ours
        assert [(field.name, arrow_name(field.type)) for field in answered.schema] == columns


def documented():
    """Give the columns of each table, as the reference lists them."""
    text = (REFERENCE / "sql-tables.md").read_text().partition("## Cluster tables")[0]
    sections = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    row = re.compile(r"^\| \d+ \| `(\w+)` \| (.+?) \| (?:yes|no) \|", re.MULTILINE)
    return {re.match(r"`(\w+)`", each)[1]: row.findall(each) for each in sections}


def arrow_name(kind):
    names = {
        "large_string": "LargeUtf8",
        "large_binary": "LargeBinary",
        "bool": "Boolean",
        "uint32": "UInt32",
        "uint64": "UInt64",
        "timestamp[ms, tz=+00:00]": 'Timestamp(ms, "+00:00")',
        "duration[ms]": "Duration(ms)",
        "list<item: large_string>": "List(LargeUtf8)",
        "list<item: uint32>": "List(UInt32)",
    }
    return names[re.sub(r"list<\w+:", "list<item:", str(kind))]


async def test_counts_have_the_type_that_clients_rely_on():
    world = await QueryWorld().start()
    answered = await world.table("SELECT COUNT(1) AS n, SUM(retry_count) AS r FROM sys_invocation")
    assert str(answered.schema.field("n").type) == "int64"
    assert answered.to_pylist() == [{"n": 0, "r": None}]


async def test_an_empty_answer_is_a_schema_without_batches():
    world = await QueryWorld().start()
    answered = await world.table("SELECT id, index FROM sys_journal WHERE 1 = 0")
    assert answered.schema.names == ["id", "index"]
    assert answered.num_rows == 0


async def test_tables_can_be_listed_and_described():
    world = await QueryWorld().start()
    names = await world.rows(
        "SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema = 'public'"
    )
    assert {row["table_name"] for row in names} == TABLES.keys()
    described = await world.rows("DESCRIBE state")
    assert [row["column_name"] for row in described] == [
        column.name for column in TABLES["state"].columns
    ]


def test_the_documentation_is_as_the_tables_are_declared():
    written = (ROOT / "docs" / "sql.md").read_text()
    assert written == render(TABLES.values()), "python -m perdure.query.reference > docs/sql.md"


def test_the_sql_engine_is_loaded_by_the_first_query_only():
    """Importing the server costs nothing of it."""
    code = (
        "import sys, perdure.server.runtime, perdure.query.reference; "
        "print([name for name in ('pyarrow', 'datafusion') if name in sys.modules])"
    )

    async def run():
        import sys

        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
        )
        return (await process.communicate())[0]

    assert asyncio.run(run()).strip() == b"[]"
