"""Who waits in memory for the end of an invocation.

They are told in a turn of the loop of their own, all together: what one of them does with the
answer neither holds up nor harms the partition that found it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import ClassVar, Final

from msgspec import Struct

from perdure.engine.errors import RefusalError
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Outcome

logger = logging.getLogger("perdure.engine")

#: Stands for no invocation: what ends before a request is durable is not what it asked for.
APART: Final = InvocationId(b"")


class Answer(Struct, frozen=True, array_like=True, gc=False):
    """The result of an invocation.

    ``expires_at`` (milliseconds since 1970) is set when the result was kept from an earlier
    execution, and None when the invocation ended just now.
    """

    outcome: Outcome
    expires_at: int | None = None


#: Takes the answer, None if the invocation is unknown, or why there will be none.
OnAnswer = Callable[[Answer | RefusalError | None], None]


class Waiter(Struct, eq=False):
    """One who waits, until told or gone; made by :meth:`Waiters.add`."""

    #: For how many it counts.
    weight: ClassVar[int] = 1

    _waiters: Waiters
    invocation_id: InvocationId
    #: None as soon as nobody wants to be told any more.
    on_answer: OnAnswer | None

    def leave(self) -> None:
        """Wait no longer, and hear nothing more."""
        self.on_answer = None
        self._waiters.forget(self)


class Waiters:
    """All who wait; lives on one event loop."""

    __slots__ = ("_by_id", "_loop", "_told", "count")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        #: Those who wait for the same, in order: a dictionary, as thousands may leave one by one.
        self._by_id: dict[InvocationId, dict[Waiter, None]] = {}
        #: Answers that are found and not given yet.
        self._told: list[tuple[Waiter, Answer | RefusalError | None]] = []
        #: How many wait for what lives here.
        self.count = 0

    def __len__(self) -> int:
        """Give how many are still to be told."""
        return self.count + len(self._told)

    def add(self, invocation_id: InvocationId, on_answer: OnAnswer) -> Waiter:
        """Wait for the end of an invocation.

        Args:
            invocation_id: whose; :data:`APART` until it is known that there is one to wait for.
            on_answer: called once, unless the waiter leaves before.
        """
        waiter = Waiter(self, invocation_id, on_answer)
        self.enter(waiter)
        return waiter

    def enter(self, waiter: Waiter) -> None:
        """Let one more wait for the end of its invocation."""
        waiting = self._by_id.get(waiter.invocation_id)
        if waiting is None:
            self._by_id[waiter.invocation_id] = {waiter: None}
        else:
            waiting[waiter] = None
        self.count += waiter.weight

    def join(self, waiter: Waiter, invocation_id: InvocationId) -> None:
        """Let one who stood apart wait for an invocation, unless it left meanwhile."""
        if waiter.on_answer is None:
            return
        self.forget(waiter)
        waiter.invocation_id = invocation_id
        self.enter(waiter)

    def forget(self, waiter: Waiter) -> None:
        """Expect one no more, if it still waits."""
        waiting = self._by_id.get(waiter.invocation_id)
        if waiting is None or waiter not in waiting:
            return
        self.count -= waiter.weight
        del waiting[waiter]
        if not waiting:
            del self._by_id[waiter.invocation_id]

    def finish(self, invocation_id: InvocationId, outcome: Outcome) -> None:
        """Answer all who wait for an invocation that ended just now."""
        waiting = self._by_id.pop(invocation_id, None)
        if waiting is None:
            return
        self.count -= len(waiting)
        answer = Answer(outcome)
        for waiter in waiting:
            self._plan(waiter, answer)

    def tell(self, waiter: Waiter, answer: Answer | RefusalError | None) -> None:
        """Answer one alone."""
        self.forget(waiter)
        self._plan(waiter, answer)

    def abandon(self, refusal: RefusalError) -> None:
        """Tell everyone that the answer will not come from here."""
        for waiting in list(self._by_id.values()):
            for waiter in list(waiting):
                self.tell(waiter, refusal)

    def _plan(self, waiter: Waiter, answer: Answer | RefusalError | None) -> None:
        if not self._told:
            self._loop.call_soon(self._tell_all)
        self._told.append((waiter, answer))

    def _tell_all(self) -> None:
        told, self._told = self._told, []
        for waiter, answer in told:
            on_answer, waiter.on_answer = waiter.on_answer, None
            if on_answer is None:
                continue  # it left meanwhile
            try:
                on_answer(answer)
            except Exception:  # a defect of one door must not cost others their answer
                logger.exception("who waited for an invocation failed to take the answer")
