"""What queries see of other partitions: moments there, and their rows, asked for from threads."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from itertools import count
from typing import Any, Protocol

from perdure.engine.errors import RefusalError, UnavailableError
from perdure.engine.moment import Search
from perdure.engine.ports import StorageError
from perdure.links.conversation import OnAnswer
from perdure.links.errors import BrokenAnswerError
from perdure.links.links import Links
from perdure.links.questions import EndQuery, ReadRows, ShowPartition

#: Pieces of batches of rows, and whether each is the last of its batch; none at the end.
Pieces = list[tuple[bytes, bool]]

logger = logging.getLogger("perdure.links")


class Views:
    """All other partitions, for the queries of this process. Lives on the event loop."""

    def __init__(self, links: Links) -> None:
        """Prepare.

        Args:
            links: to the processes of the others, which :func:`lend` what they have.
        """
        self._links = links
        self._drawn = count()

    async def look(self) -> list[PartitionView]:
        """Give all that a query sees of them, as of now; it closes them all.

        Raises:
            RefusalError: one of them cannot be looked at.
        """
        links, query = self._links, next(self._drawn)
        views = [PartitionView(links, partition, query) for partition in links.partitions]
        try:
            await asyncio.gather(*(view.open() for view in views))
        except BaseException:
            for view in views:
                view.close()
            raise
        return views


class PartitionView:
    """What another partition shows to one query; made by :meth:`Views.look`."""

    def __init__(self, links: Links, partition: int, query: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._links = links
        self._partition = partition
        self._query = query
        self._drawn = count()

    async def open(self) -> None:
        """Have the partition keep what there is to see.

        Raises:
            RefusalError: it cannot.
        """
        await self._links.asked(self._partition, ShowPartition(self._query))

    def search(self, search: Search) -> RowStream:
        """Begin to read a table there; any thread may call this."""
        reading = next(self._drawn)
        return RowStream(lambda search: self._ask(ReadRows(self._query, reading, search)), search)

    def close(self) -> None:
        """Let the partition forget it; what is still read there fails soon."""
        self._links.ask(self._partition, EndQuery(self._query), _ignore)

    def _ask(self, question: ReadRows) -> Future[Pieces]:
        """Ask from a thread that may wait."""
        told: Future[Pieces] = Future()
        on_answer = partial(_fulfil, told)
        self._loop.call_soon_threadsafe(self._links.ask, self._partition, question, on_answer)
        return told


class RowStream:
    """Rows of another partition: some are on their way while the last ones are used."""

    def __init__(self, ask: Callable[[Search | None], Future[Pieces]], search: Search) -> None:
        self._ask = ask
        self._next = ask(search)
        self._here: deque[tuple[bytes, bool]] = deque()

    @property
    def ready(self) -> bool:
        """Whether nobody has to wait for what comes next."""
        return bool(self._here) or self._next.done()

    def take(self) -> bytes:
        """Wait for the next batch, as Arrow serializes it; nothing, again and again, at the end.

        Raises:
            RefusalError: the partition cannot be read, or its process is gone.
        """
        batch = []
        last = False
        while not last and self._more():
            piece, last = self._here.popleft()
            batch.append(piece)
        return batch[0] if len(batch) == 1 else b"".join(batch)

    def _more(self) -> bool:
        """Wait for a piece, if there is none; tell whether there is one now."""
        if not self._here and (pieces := self._next.result()):
            self._here.extend(pieces)
            self._next = self._ask(None)
        return bool(self._here)


class Lender(Protocol):
    """Shows this partition to queries of another's process."""

    async def show(self, query: int) -> None:
        """Keep what there is to see now for a query, until it has ended."""

    def read(self, query: int, reading: int, search: Search | None) -> asyncio.Future[Pieces]:
        """Read on."""

    def forget(self, query: int) -> None:
        """Let go of what a query saw."""


def lend(links: Links, lender: Lender) -> None:
    """Show this partition to the queries of the one process that answers them."""

    def show(question: ShowPartition, on_answer: OnAnswer) -> None:
        shown = asyncio.ensure_future(lender.show(question.query))
        shown.add_done_callback(partial(_answer, on_answer))

    def read(question: ReadRows, on_answer: OnAnswer) -> None:
        pieces = lender.read(question.query, question.reading, question.search)
        pieces.add_done_callback(partial(_answer, on_answer))

    def forget(question: EndQuery, on_answer: OnAnswer) -> None:
        lender.forget(question.query)
        on_answer(None)

    links.answer(ShowPartition, show)
    links.answer(ReadRows, read)
    links.answer(EndQuery, forget)


def _answer(on_answer: OnAnswer, done: asyncio.Future[Any]) -> None:
    error = UnavailableError("the server stops") if done.cancelled() else done.exception()
    match error:
        case None:
            on_answer(done.result())
        case RefusalError():
            on_answer(error)
        case StorageError():
            on_answer(UnavailableError(str(error)))
        case _:
            logger.error("a query of another partition cannot read", exc_info=error)
            on_answer(BrokenAnswerError("a part of the server failed to read; its log says why"))


def _fulfil(told: Future[Pieces], answer: Any) -> None:
    if isinstance(answer, RefusalError):
        told.set_exception(answer)
    else:
        told.set_result(answer)


def _ignore(_answer: Any) -> None:
    """Expect nothing."""
