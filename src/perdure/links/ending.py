"""The end of a server of several partitions: none goes while another may still have its answer.

Who waits at one process may wait for what runs in another. So each process that is done asks all
others whether they are, too. An answer to that comes behind all answers that were given before, as
everything does on a link.
"""

from __future__ import annotations

import asyncio
import contextlib

from perdure.links.conversation import OnAnswer
from perdure.links.links import Links
from perdure.links.questions import AwaitRest


class Ending:
    """Waits for all others at the end. Lives on one event loop.

    Args:
        links: to the others.
    """

    def __init__(self, links: Links) -> None:
        self._links = links
        self._resting = False
        self._askers: list[OnAnswer] = []
        links.answer(AwaitRest, self._promise)

    async def together(self, limit_s: float) -> None:
        """Say that this process has given all answers that it will; return when all others say so.

        Args:
            limit_s: no longer than that, in seconds.
        """
        # Asked before it is said: who hears of the latter has heard the question, and may go.
        others = [self._links.asked(each, AwaitRest()) for each in self._links.partitions]
        waiting = [asyncio.ensure_future(each) for each in others]
        await asyncio.sleep(0)
        self._resting = True
        for on_answer in self._askers:
            on_answer(None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await asyncio.gather(*waiting, return_exceptions=True)

    def _promise(self, _question: AwaitRest, on_answer: OnAnswer) -> None:
        if self._resting:
            on_answer(None)
        else:
            self._askers.append(on_answer)
