"""Queries, a few at a time: each sees one moment, and has so much time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from importlib import import_module
from threading import Lock
from typing import Any, TypeVar

from msgspec import Struct

from perdure.engine.errors import OverloadedError
from perdure.engine.moment import Moment
from perdure.query.columns import QueryError
from perdure.query.elsewhere import Elsewhere, FarMoment
from perdure.query.switching import Switching

T = TypeVar("T")


class QueryLimits(Struct, frozen=True, kw_only=True):
    """What queries may take."""

    #: How long one query may run, in seconds; what its client takes to read does not count.
    seconds: float = 60.0
    #: Queries that run at the same time, and that wait for one of them to end.
    running: int = 4
    waiting: int = 64
    #: What sorting, grouping and joining may hold in memory, for one query.
    memory_bytes: int = 256 * 1024 * 1024


class Queries:
    """Answers queries; lives on the engine's event loop."""

    def __init__(
        self,
        look: Callable[[], Awaitable[Moment]],
        limits: QueryLimits | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        """Prepare; the SQL engine is loaded on the first query.

        Args:
            look: gives what there is to see, as of now.
            limits: what queries may take.
            elsewhere: the server's other partitions, if there are any.
        """
        self._look = look
        self._elsewhere = elsewhere
        self._limits = QueryLimits() if limits is None else limits
        self._slots = asyncio.Semaphore(self._limits.running)
        #: Queries that run or wait for one of those to end.
        self.pending = 0
        #: Not the loop's own: steps of handlers may hold all of those, and that is when one asks.
        #: More than run, for what took too long holds its thread a little longer.
        self._threads = ThreadPoolExecutor(2 * self._limits.running, "perdure-query")
        self._gate = Lock()
        #: Sessions without a query, at most as many as queries may run.
        self._idle: list[Any] = []
        self._switching = Switching()

    def close(self) -> None:
        """Give up the threads; what still runs there ends by itself, and no query begins."""
        self._threads.shutdown(wait=False, cancel_futures=True)

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
        session, answers = await self._session()
        allowance = _Allowance(self._limits.seconds)
        async with self._seen(allowance) as (moment, afar):
            async with allowance.spend():
                started = await self._in_thread(session.start, moment, sql, afar)
            form = (answers.JsonForm if as_json else answers.ArrowForm)(started.schema)
            async with aclosing(self._written(form, session.run(started), allowance)) as pieces:
                async for piece in pieces:
                    yield piece
        # Only what came to its end has no thread left that may still use the session.
        session.forget()
        self._idle.append(session)

    @asynccontextmanager
    async def _seen(
        self, allowance: _Allowance
    ) -> AsyncIterator[tuple[Moment, Sequence[FarMoment]]]:
        """Hold what there is to see, here and elsewhere, for one query."""
        afar: Sequence[FarMoment] = ()
        if self._elsewhere is not None:
            async with allowance.spend():
                afar = await self._elsewhere.look()
        try:
            async with allowance.spend():
                moment = await self._look()
            self._switching.begin()
            try:
                yield moment, afar
            finally:
                self._switching.end()
                moment.view.close()
        finally:
            for each in afar:
                each.close()

    async def _session(self) -> tuple[Any, Any]:
        """Give a session that has no query, and the forms of answers."""
        if self._idle:
            return self._idle.pop(), _load()[1]
        session_module, answers = await self._in_thread(_load)
        memory_bytes = self._limits.memory_bytes
        session = await self._in_thread(session_module.Session, self._gate, memory_bytes)
        return session, answers

    async def _written(
        self, form: Any, batches: AsyncGenerator[Any], allowance: _Allowance
    ) -> AsyncGenerator[bytes]:
        """Write batches as they come; the beginning waits for the first."""
        piece: bytes = form.begin()
        async with aclosing(batches):
            while True:
                async with allowance.spend():
                    batch = await anext(batches, None)
                    if batch is None:
                        break
                    piece += await self._in_thread(form.rows, batch)
                yield piece
                piece = b""
        yield piece + form.end()

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


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
