"""The documentation of all tables, generated from their declarations.

``python -m perdure.query.reference > docs/sql.md`` writes it anew.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from perdure.query.columns import Table
from perdure.query.tables.catalog import TABLES

_INTRODUCTION = """\
# SQL

What the server knows can be asked in SQL: invocations and their journals, state, promises, locks,
deployments and services.

```shell
curl localhost:9070/query -H 'content-type: application/json' -H 'accept: application/json' \\
  -d '{"query": "SELECT id, status, last_failure FROM sys_invocation WHERE retry_count > 1"}'
```

With `accept: application/json` the answer is `{"rows": [...]}`, and a column that is null is left
out of its row; otherwise it is an Arrow IPC stream. Both are sent while the query runs.

- A query sees all tables as of one moment. What runs goes on meanwhile. Of a server with
  several partitions it sees them all, each as of its own moment, a few milliseconds apart: what one
  sends another meanwhile may be seen at one end alone.
- Queries only read. Whatever else they say is refused with status 400.
- A query has a minute and 256 MiB, and ends when its client goes away. Four run at the same time.
- Beside values, of which lists may be long, a query has at most 600 words.
- The dialect is that of [Apache DataFusion](https://datafusion.apache.org/user-guide/sql/), with
  `->` and `->>` for texts that hold JSON: `event_json ->> 'error_message'`.
- Filters by `id`, by key (`target_service_key`; `service_name` and `service_key`), by
  `partition_key`, and by the statuses of what waits or runs are looked up. All others are applied
  row by row, to nothing but the columns that they name; columns that are shown are read of the rows
  that pass.
- `ORDER BY` a time with a `LIMIT` reads the rows that are shown, and of all others that time alone.

This page is generated from the declarations of the tables.
"""


def render(tables: Iterable[Table]) -> str:
    """Give the page as Markdown."""
    return "\n".join([_INTRODUCTION, *(line for table in tables for line in _section(table))])


def _section(table: Table) -> Iterator[str]:
    yield f"## `{table.name}`\n"
    yield f"{table.description}\n"
    yield "| Column | Type | |"
    yield "|---|---|---|"
    for column in table.columns:
        yield f"| `{column.name}` | {column.kind.value} | {column.description} |"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(render(TABLES.values()))
