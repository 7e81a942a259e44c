"""The end of a server of several partitions: each process waits for all others, for a while."""

import asyncio

from linked import linked, number, until

from perdure.links.ending import Ending
from perdure.links.questions import ReadTaken


def test_none_goes_before_all_are_done(run):
    async def scenario():
        async with linked() as ends:
            here, there = Ending(ends.here), Ending(ends.there)
            first = asyncio.ensure_future(here.together(30))
            await asyncio.sleep(0.02)
            assert not first.done()
            await asyncio.gather(first, there.together(30))

    run(scenario)


def test_what_was_answered_before_has_come(run):
    async def scenario():
        async with linked() as ends:
            here, there = Ending(ends.here), Ending(ends.there)
            waiting, told = [], []
            ends.there.answer(ReadTaken, lambda _question, on_answer: waiting.append(on_answer))
            for each in range(1_000):
                ends.here.ask(1, number(each), told.append)
            first = asyncio.ensure_future(here.together(30))
            await until(lambda: len(waiting) == 1_000)
            for on_answer in waiting:
                on_answer(7)
            await asyncio.gather(there.together(30), first)
            assert told == [7] * 1_000

    run(scenario)


def test_whoever_does_not_end_is_waited_for_no_longer_than_that(run):
    async def scenario():
        async with linked() as ends:
            await Ending(ends.here).together(0.02)

    run(scenario)


def test_whoever_is_gone_is_not_waited_for(run):
    async def scenario():
        async with linked() as ends:
            here = asyncio.ensure_future(Ending(ends.here).together(30))
            await asyncio.sleep(0)
            await ends.there.close()
            await here

    run(scenario)
