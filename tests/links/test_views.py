"""What queries see of another partition, over a link: moments kept there, and rows in pieces."""

from __future__ import annotations

import asyncio
import logging

import pytest
from linked import linked, until

from perdure.engine.errors import UnavailableError
from perdure.engine.moment import Order, Search
from perdure.engine.ports import StorageError
from perdure.links.errors import BrokenAnswerError, LinkLostError
from perdure.links.views import Views, lend

SEARCH = Search("state", ("key", "value"), b"\x00", Order("key", True, False, 7))
MIB = 1024 * 1024


class ScriptedLender:
    """Gives the answers that the test says, and hears who asks for them."""

    def __init__(self, *answers, shows=None) -> None:
        self.answers = answers
        self.open = set()
        self.heard = []
        self._shows = shows

    async def show(self, query):
        self.open.add(query)
        if self._shows is not None:
            raise self._shows

    def read(self, query, reading, search):
        self.heard.append((query, reading, search))
        place = sum(heard[:2] == (query, reading) for heard in self.heard) - 1
        answer = self.answers[place] if place < len(self.answers) else []
        told = asyncio.get_running_loop().create_future()
        if isinstance(answer, Exception):
            told.set_exception(answer)
        elif answer is None:
            told.cancel()
        elif answer != "never":
            told.set_result(answer)
        return told

    def forget(self, query):
        self.open.discard(query)


def all_of(rows):
    return list(iter(rows.take, b""))


def test_batches_come_whole_and_in_order(run):
    async def scenario():
        async with linked() as ends:
            big = b"x" * MIB
            lender = ScriptedLender(
                [(b"one", True), (b"two", True), (big, False)], [(big, False)], [(b"y", True)]
            )
            lend(ends.there, lender)
            [view] = await Views(ends.here).look()
            rows = await asyncio.to_thread(view.search, SEARCH)
            assert await asyncio.to_thread(all_of, rows) == [b"one", b"two", big + big + b"y"]
            assert rows.ready
            assert rows.take() == rows.take() == b""
            assert [search for _, _, search in lender.heard] == [SEARCH, *[None] * 3]

    run(scenario)


def test_one_answer_is_asked_for_ahead(run):
    async def scenario():
        async with linked() as ends:
            lender = ScriptedLender([(b"one", True)], [(b"two", True)], "never")
            lend(ends.there, lender)
            [view] = await Views(ends.here).look()
            rows = view.search(SEARCH)
            await until(lambda: rows.ready)
            assert len(lender.heard) == 1
            assert rows.take() == b"one"
            await until(lambda: rows.ready)
            assert len(lender.heard) == 2
            assert rows.take() == b"two"
            assert not rows.ready

    run(scenario)


def test_readings_and_queries_have_numbers_of_their_own(run):
    async def scenario():
        async with linked() as ends:
            lender = ScriptedLender()
            lend(ends.there, lender)
            views = Views(ends.here)
            [one], [other] = await views.look(), await views.look()
            for view in (one, one, other):
                view.search(SEARCH)
            await until(lambda: len(lender.heard) == 3)
            assert len({heard[:2] for heard in lender.heard}) == 3
            assert len(lender.open) == 2
            one.close()
            await until(lambda: len(lender.open) == 1)
            other.close()
            await until(lambda: not lender.open)

    run(scenario)


@pytest.mark.parametrize(
    ("problem", "told", "text"),
    [
        (StorageError("the disk is gone"), UnavailableError, "the disk is gone"),
        (UnavailableError("not now"), UnavailableError, "not now"),
        (None, UnavailableError, "the server stops"),
        (ValueError("secret"), BrokenAnswerError, "its log says why"),
    ],
)
def test_what_goes_wrong_is_told(run, caplog, problem, told, text):
    async def scenario():
        async with linked() as ends:
            lend(ends.there, ScriptedLender([(b"one", True)], problem))
            [view] = await Views(ends.here).look()
            rows = view.search(SEARCH)
            assert await asyncio.to_thread(rows.take) == b"one"
            with pytest.raises(told, match=text):
                await asyncio.to_thread(rows.take)

    with caplog.at_level(logging.CRITICAL, "perdure.links"):
        run(scenario)


@pytest.mark.parametrize("problem", [StorageError("the disk is gone"), UnavailableError("gone")])
def test_a_partition_that_cannot_be_looked_at(run, problem):
    async def scenario():
        async with linked() as ends:
            lender = ScriptedLender(shows=problem)
            lend(ends.there, lender)
            with pytest.raises(UnavailableError, match="gone"):
                await Views(ends.here).look()
            await until(lambda: not lender.open)

    run(scenario)


def test_a_query_that_is_cancelled_while_it_looks_is_forgotten(run):
    async def scenario():
        async with linked() as ends:
            looking = asyncio.ensure_future(Views(ends.here).look())
            await asyncio.sleep(0)
            looking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await looking
            lender = ScriptedLender()
            lend(ends.there, lender)
            [view] = await Views(ends.here).look()
            assert len(lender.open) == 1
            view.close()
            await until(lambda: not lender.open)

    run(scenario)


def test_whoever_waits_hears_that_the_process_is_gone(run):
    async def scenario():
        async with linked() as ends:
            lend(ends.there, ScriptedLender("never"))
            [view] = await Views(ends.here).look()
            taking = asyncio.ensure_future(asyncio.to_thread(view.search(SEARCH).take))
            await asyncio.sleep(0)
            await ends.there.close()
            with pytest.raises(LinkLostError):
                await taking
            with pytest.raises(LinkLostError):
                await asyncio.to_thread(view.search(SEARCH).take)
            view.close()

    run(scenario)
