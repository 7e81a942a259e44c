"""Shows a partition to the queries that another partition's process answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from threading import Lock
from time import monotonic
from typing import Any, Final

from perdure.engine.errors import UnavailableError
from perdure.engine.moment import Moment, Search
from perdure.query.switching import Switching

#: Queries that are read for at the same time; they take turns, slice by slice.
THREADS: Final = 4
#: What is read before an answer goes out: the first piece, and more for so many seconds or bytes.
#: Each answer wakes four threads, all of which have others to share the interpreter with.
TOGETHER_S: Final = 0.01
TOGETHER_BYTES: Final = 1024 * 1024

#: Pieces of batches of rows, and whether each is the last of its batch; none at the end.
Pieces = list[tuple[bytes, bool]]


class Lender:
    """Keeps a moment for each query that sees this partition. Lives on the engine's event loop."""

    def __init__(self, look: Callable[[], Awaitable[Moment]]) -> None:
        """Prepare; what reads is loaded by the first query.

        Args:
            look: gives what there is to see, as of now.
        """
        self._look = look
        self._threads = ThreadPoolExecutor(THREADS, "perdure-query")
        self._gate = Lock()
        self._switching = Switching()
        #: Queries for which what there is to see is being looked at.
        self._looking: set[int] = set()
        self._lent: dict[int, _Lent] = {}

    async def show(self, query: int) -> None:
        """Keep what there is to see now for a query, until it has ended.

        Raises:
            StorageError: the tables cannot be written, or not be read.
            UnavailableError: the partition stopped, or the query has ended meanwhile.
        """
        self._looking.add(query)
        moment = await self._look()
        if query not in self._looking:
            moment.view.close()
            raise UnavailableError("the query has ended")
        self._looking.remove(query)
        self._lent[query] = _Lent(moment, self._gate)
        self._switching.begin()

    def read(self, query: int, reading: int, search: Search | None) -> asyncio.Future[Pieces]:
        """Read on, in a thread.

        Args:
            query: for which query.
            reading: which of its readings; the pieces before were received.
            search: what it looks for, if the reading begins.

        Returns:
            pieces of batches that Arrow serialized.
        """
        loop = asyncio.get_running_loop()
        lent = self._lent.get(query)
        if lent is None:
            ended: asyncio.Future[Pieces] = loop.create_future()
            ended.set_exception(UnavailableError("the query has ended"))
            return ended
        return loop.run_in_executor(self._threads, lent.read, reading, search)

    def forget(self, query: int) -> None:
        """Let go of what a query saw; what is still read for it fails soon."""
        self._looking.discard(query)
        lent = self._lent.pop(query, None)
        if lent is not None:
            self._switching.end()
            lent.moment.view.close()

    def close(self) -> None:
        """Forget all queries, and give up the threads."""
        for query in (*self._looking, *self._lent):
            self.forget(query)
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Lent:
    """What one query sees, and how far it has read."""

    def __init__(self, moment: Moment, gate: Lock) -> None:
        self.moment = moment
        self._gate = gate
        self._readings: dict[int, Iterator[tuple[bytes, bool]]] = {}

    def read(self, reading: int, search: Search | None) -> Pieces:
        """Read on; called in a thread, and for the same reading in one at a time."""
        if search is not None:
            self._readings[reading] = _load().pieces(self.moment, self._gate, search)
        taken: Pieces = []
        until, room = monotonic() + TOGETHER_S, TOGETHER_BYTES
        for piece in self._readings[reading]:
            taken.append(piece)
            room -= len(piece[0])
            if room <= 0 or monotonic() > until:
                break
        return taken


def _load() -> Any:
    """Load what reads: a tenth of a second that nobody pays who never asks."""
    return import_module("perdure.query.pieces")
