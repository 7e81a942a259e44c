"""The SQL engine, for one query after the other: each planned over the tables as of a moment."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Sequence
from threading import Lock
from typing import Final

import pyarrow as pa
from datafusion import (
    DataFrame,
    RecordBatchStream,
    RuntimeEnvBuilder,
    SessionConfig,
    SessionContext,
    SQLOptions,
)
from msgspec import Struct, structs

from perdure.engine.moment import Moment
from perdure.query.columns import QueryError
from perdure.query.dataset import Sight, Source, TableData
from perdure.query.dialect import translate
from perdure.query.elsewhere import FarMoment
from perdure.query.json_functions import json_functions
from perdure.query.plans import first_rows
from perdure.query.ranking import RANKED_KINDS, ROWS_MAX, Top
from perdure.query.tables.catalog import TABLES

#: Rows that the SQL engine passes on at a time.
BATCH_ROWS: Final = 1024

_READ_ONLY: Final = (
    SQLOptions().with_allow_ddl(False).with_allow_dml(False).with_allow_statements(False)
)
#: Queries about tables as such, which need all of them.
_ABOUT_TABLES: Final = re.compile(r"\b(information_schema|show)\b", re.IGNORECASE)
#: Queries in which order and number of rows can spare the reading of others.
_ORDERED: Final = re.compile(r"\border\s+by\b.*\blimit\s+(\d+)", re.IGNORECASE | re.DOTALL)
_REFUSED: Final = ("DDL not supported", "DML not supported", "Statement not supported")
_HELP: Final = (
    "queries only read: write SELECT, WITH, SHOW TABLES, DESCRIBE or EXPLAIN; what runs is changed "
    "through the admin API"
)
_PREFIX: Final = re.compile(r"^(DataFusion error: |External error: |External: )+")


class Started(Struct, frozen=True):
    """A query that was begun."""

    schema: pa.Schema
    stream: RecordBatchStream


class Session:
    """Plans queries and runs them, one at a time; making one costs as much as a small query."""

    def __init__(self, gate: Lock, memory_bytes: int) -> None:
        """Prepare.

        Args:
            gate: held while rows are read; shared by all sessions.
            memory_bytes: what a query may keep in memory while it sorts, groups and joins.
        """
        self._gate = gate
        self._context = _context(memory_bytes)
        #: Each table costs time to declare: those that a query meant so far.
        self._tables: dict[str, TableData] = {}
        #: Why scans of this query failed; the SQL engine only passes on their texts.
        self._refusals: list[Exception] = []

    def start(self, moment: Moment, sql: str, afar: Sequence[FarMoment] = ()) -> Started:
        """Plan a query and begin; blocks for milliseconds, so call it in a thread.

        Args:
            moment: what the query shall see; whoever took it closes it.
            sql: the query.
            afar: what it shall see of other partitions; likewise.

        Raises:
            QueryError: it is wrong, or does not only read.
        """
        text = translate(sql)
        # A list of its own: a scan of the query before may still find out that it is over.
        self._refusals = []
        sight = Sight(Source(moment, self._gate), self._refusals.append, afar)
        self._declare(text)
        self._show(sight)
        try:
            planned = self._context.sql_with_options(text, _READ_ONLY)
            ordered = _ORDERED.search(text)
            if ordered is not None and int(ordered[1]) <= ROWS_MAX:
                self._show_first(planned, sight)
            return Started(planned.schema(), planned.execute_stream())
        except Exception as error:
            raise self._told(error) from error

    async def run(self, started: Started) -> AsyncGenerator[pa.RecordBatch]:
        """Give the rows of a query; closing the iterator ends it.

        Raises:
            QueryError: it cannot be answered, such as for lack of memory.
        """
        try:
            async for batch in started.stream:
                yield batch.to_pyarrow()
        except Exception as error:
            raise self._told(error) from error

    def forget(self) -> None:
        """Let go of what the last query saw, which has ended."""
        self._show(None)

    def _declare(self, sql: str) -> None:
        """Declare the tables that a query can mean."""
        lowered, all_of_them = sql.lower(), _ABOUT_TABLES.search(sql) is not None
        for name, table in TABLES.items():
            if name not in self._tables and (all_of_them or name in lowered):
                self._tables[name] = TableData(table)
                self._context.register_dataset(name, self._tables[name])

    def _show(self, sight: Sight | None) -> None:
        for table in self._tables.values():
            table.sight = sight

    def _show_first(self, planned: DataFrame, sight: Sight) -> None:
        """Spare a table the reading of rows that an order and a limit leave out."""
        first = first_rows(planned.optimized_logical_plan())
        if first is None or first.count > ROWS_MAX:
            return
        data = self._tables.get(first.table)
        if data is None:
            return
        column = data.table.column(first.column)
        if column.kind in RANKED_KINDS:
            top = Top(column, first.descending, first.nulls_first, first.count)
            data.sight = structs.replace(sight, here=structs.replace(sight.here, top=top))

    def _told(self, error: Exception) -> Exception:
        """Say in our words what the SQL engine says in its own."""
        if self._refusals:
            return self._refusals[0]
        text = _PREFIX.sub("", str(error))
        if any(refused in text for refused in _REFUSED):
            return QueryError(f"Datafusion error: {text}. {_HELP}")
        return QueryError(f"Datafusion error: {text}")


def _context(memory_bytes: int) -> SessionContext:
    settings = {
        "datafusion.catalog.default_catalog": "restate",
        "datafusion.catalog.default_schema": "public",
    }
    config = SessionConfig(settings).with_information_schema(True)
    # Rows come from one scan in one thread: what would be shared out is less than the sharing.
    config = config.with_target_partitions(1).with_batch_size(BATCH_ROWS)
    limits = RuntimeEnvBuilder().with_disk_manager_disabled()
    limits = limits.with_greedy_memory_pool(memory_bytes)
    context = SessionContext(config, limits)
    for function in json_functions():
        context.register_udf(function)
    return context
