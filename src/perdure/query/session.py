"""One query: planned over the tables as of a moment, run by the SQL engine, within limits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from threading import Lock
from typing import Final

import pyarrow as pa
from datafusion import (
    DataFrame,
    RuntimeEnvBuilder,
    SessionConfig,
    SessionContext,
    SQLOptions,
)

from perdure.engine.moment import Moment
from perdure.query.columns import QueryError
from perdure.query.dataset import Source, TableData
from perdure.query.dialect import translate
from perdure.query.json_functions import json_functions
from perdure.query.tables.catalog import TABLES

#: What one query may keep in memory while it sorts, groups and joins.
MEMORY_BYTES_MAX: Final = 256 * 1024 * 1024
#: Rows that the SQL engine passes on at a time.
BATCH_ROWS: Final = 1024

_READ_ONLY: Final = (
    SQLOptions().with_allow_ddl(False).with_allow_dml(False).with_allow_statements(False)
)
#: Queries about tables as such, which need all of them.
_ABOUT_TABLES: Final = re.compile(r"\b(information_schema|show)\b", re.IGNORECASE)
_REFUSED: Final = ("DDL not supported", "DML not supported", "Statement not supported")
_HELP: Final = (
    "queries only read: write SELECT, WITH, SHOW TABLES, DESCRIBE or EXPLAIN; what runs is changed "
    "through the admin API"
)
_PREFIX: Final = re.compile(r"^(DataFusion error: |External error: |External: )+")


class Session:
    """Plans one query and runs it; used once."""

    def __init__(self, moment: Moment, gate: Lock) -> None:
        """Take what the query shall see.

        Args:
            moment: the tables; whoever took it closes it.
            gate: held while rows are decoded; shared by all queries.
        """
        self._moment = moment
        self._gate = gate
        #: Why a scan failed; the SQL engine only passes on its text.
        self._refusal: Exception | None = None

    def plan(self, sql: str) -> DataFrame:
        """Plan a query; blocks for milliseconds, so call it in a thread.

        Raises:
            QueryError: it is wrong, or does not only read.
        """
        text = translate(sql)
        context = self._context(text)
        try:
            return context.sql_with_options(text, _READ_ONLY)
        except Exception as error:
            raise self._told(error) from error

    async def run(self, planned: DataFrame) -> AsyncGenerator[pa.RecordBatch]:
        """Give the rows of a planned query; closing the iterator ends the query.

        Raises:
            QueryError: it cannot be answered, such as for lack of memory.
        """
        try:
            stream = await asyncio.to_thread(planned.execute_stream)
            async for batch in stream:
                yield batch.to_pyarrow()
        except Exception as error:
            raise self._told(error) from error

    def _context(self, sql: str) -> SessionContext:
        settings = {
            "datafusion.catalog.default_catalog": "restate",
            "datafusion.catalog.default_schema": "public",
        }
        config = SessionConfig(settings).with_information_schema(True)
        config = config.with_target_partitions(2).with_batch_size(BATCH_ROWS)
        limits = RuntimeEnvBuilder().with_disk_manager_disabled()
        limits = limits.with_greedy_memory_pool(MEMORY_BYTES_MAX)
        context = SessionContext(config, limits)
        for function in json_functions():
            context.register_udf(function)
        lowered, all_of_them = sql.lower(), _ABOUT_TABLES.search(sql) is not None
        # Each table costs time to declare: only what the query can mean.
        for name, table in TABLES.items():
            if all_of_them or name in lowered:
                source = Source(table, self._moment, self._gate, self._refuse)
                context.register_dataset(name, TableData(source))
        return context

    def _refuse(self, error: Exception) -> None:
        self._refusal = error

    def _told(self, error: Exception) -> Exception:
        """Say in our words what the SQL engine says in its own."""
        if self._refusal is not None:
            return self._refusal
        text = _PREFIX.sub("", str(error))
        if any(refused in text for refused in _REFUSED):
            return QueryError(f"Datafusion error: {text}. {_HELP}")
        return QueryError(f"Datafusion error: {text}")
