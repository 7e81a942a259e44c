"""Queries, a few at a time: each sees one moment, and has so much time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from importlib import import_module
from threading import Lock
from typing import Any

from msgspec import Struct

from perdure.engine.errors import OverloadedError
from perdure.engine.moment import Moment
from perdure.query.columns import QueryError


class QueryLimits(Struct, frozen=True, kw_only=True):
    """What queries may take."""

    #: How long one query may run, in seconds; what its client takes to read does not count.
    seconds: float = 60.0
    #: Queries that run at the same time, and that wait for one of them to end.
    running: int = 4
    waiting: int = 64


class Queries:
    """Answers queries; lives on the engine's event loop."""

    def __init__(self, look: Callable[[], Moment], limits: QueryLimits | None = None) -> None:
        """Prepare; the SQL engine is loaded on the first query.

        Args:
            look: gives what there is to see, as of now.
            limits: what queries may take.
        """
        self._look = look
        self._limits = QueryLimits() if limits is None else limits
        self._slots = asyncio.Semaphore(self._limits.running)
        #: Queries that run or wait for one of those to end.
        self.pending = 0
        self._gate = Lock()

    async def answer(self, sql: str, *, as_json: bool) -> AsyncGenerator[bytes]:
        """Give the answer in pieces, the first once there is something to show.

        Args:
            sql: the query.
            as_json: whether rows are wanted as JSON; else as an Arrow IPC stream.

        Raises:
            QueryError: the query is wrong, takes too long or too much, or does not only read.
            RefusalError: there are too many queries already, or the server stops.
        """
        if self.pending >= self._limits.running + self._limits.waiting:
            raise OverloadedError("too many queries are waiting; ask again later")
        self.pending += 1
        try:
            async with self._slots, aclosing(self._run(sql, as_json=as_json)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self.pending -= 1

    async def _run(self, sql: str, *, as_json: bool) -> AsyncGenerator[bytes]:
        session_module, answers = await asyncio.to_thread(_load)
        moment = self._look()
        try:
            session = session_module.Session(moment, self._gate)
            allowance = _Allowance(self._limits.seconds)
            async with allowance.spend():
                planned = await asyncio.to_thread(session.plan, sql)
            form = (answers.JsonForm if as_json else answers.ArrowForm)(planned.schema())
            async with aclosing(_written(form, session.run(planned), allowance)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            moment.view.close()


class _Allowance:
    """The time that is left to a query."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._left = seconds

    @asynccontextmanager
    async def spend(self) -> AsyncIterator[None]:
        """Take what happens inside from the time that is left."""
        now = asyncio.get_running_loop().time
        began = now()
        try:
            async with asyncio.timeout(max(self._left, 0)):
                yield
        except TimeoutError as error:
            raise QueryError(
                f"the query took longer than {self._seconds:g} s; ask for less, with WHERE or LIMIT"
            ) from error
        finally:
            self._left -= now() - began


def _load() -> tuple[Any, Any]:
    """Load the SQL engine, once: a tenth of a second that nobody pays who never asks.

    Raises:
        QueryError: it is not installed.
    """
    try:
        return import_module("perdure.query.session"), import_module("perdure.query.answers")
    except ImportError as error:
        raise QueryError(
            f"this server cannot answer queries: {error}; install it as perdure[server]"
        ) from error


async def _written(
    form: Any, batches: AsyncGenerator[Any], allowance: _Allowance
) -> AsyncGenerator[bytes]:
    """Write batches as they come; the beginning waits for the first."""
    piece: bytes = form.begin()
    async with aclosing(batches):
        while True:
            async with allowance.spend():
                batch = await anext(batches, None)
                if batch is None:
                    break
                piece += await asyncio.to_thread(form.rows, batch)
            yield piece
            piece = b""
    yield piece + form.end()
