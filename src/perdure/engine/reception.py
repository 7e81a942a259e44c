"""What doors may ask of the engine, wherever the invocation that they ask about lives.

What is asked for every request comes in a form that calls back. Those to be awaited stand on it,
for whoever asks less often.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeVar

from msgspec import Struct

from perdure.core.model.deployments import Registry
from perdure.core.model.identities import CHANCE_BYTES, mutation_id, request_id
from perdure.core.model.invocations import Invocation
from perdure.core.model.journals import JournalEntry
from perdure.core.model.records import (
    Cancel,
    Invoke,
    Kill,
    MutateState,
    Pause,
    Purge,
    PurgeJournal,
    RestartAsNew,
    Resume,
)
from perdure.core.model.shares import Share
from perdure.core.model.targets import Target
from perdure.core.model.verdicts import Verdict
from perdure.engine.errors import RefusalError
from perdure.engine.ports import Clock
from perdure.engine.waiters import Answer, OnAnswer, Waiter
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Failure, Value, Void

T = TypeVar("T")

#: Whoever would ask again without an idempotency key would run the handler twice.
GOES_ON: Final = (
    "the server is stopping; if the invocation was accepted it goes on: attach to it by its id"
)

#: Records that change what there is, and are answered with a verdict.
Change = Cancel | Kill | Pause | Purge | PurgeJournal | Resume | RestartAsNew | MutateState


class Submission(Struct, frozen=True, array_like=True):
    """A request that is durable; ``execution_time`` in milliseconds since 1970."""

    is_new: bool
    execution_time: int | None


class Finding(Struct, frozen=True, array_like=True, gc=False):
    """An invocation that was asked about: what it runs, and its result; None if it goes on."""

    target: Target
    answer: Answer | None


#: Takes what was found, None if the invocation is unknown, or why it cannot be told.
OnFinding = Callable[[Finding | RefusalError | None], None]


class Reception(ABC):
    """The engine's face to ingress and admin. Lives on one event loop.

    Args:
        clock: gives time, and chance for ids.
        share: what ids are drawn from that nothing names.
    """

    __slots__ = ("_loop", "_share", "clock")

    def __init__(self, clock: Clock, share: Share) -> None:
        self.clock = clock
        self._share = share
        self._loop = asyncio.get_running_loop()

    @property
    @abstractmethod
    def registry(self) -> Registry:
        """What can be called now."""

    def now_ms(self) -> int:
        """Give the milliseconds since 1970."""
        return self.clock.now_ms()

    def draw_id(self, target: Target, idempotency_key: str | None) -> InvocationId:
        """Give the id under which a request is known."""
        clock = self.clock
        chance = clock.random_bytes(CHANCE_BYTES)
        return request_id(target, idempotency_key, clock.now_ms(), chance, self._share)

    # -- Invoking and waiting

    @abstractmethod
    def begin_call(self, body: Invoke, on_answer: OnAnswer) -> Waiter:
        """Run a handler, or find the invocation that did, and have its result told.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """

    @abstractmethod
    def begin_submit(
        self, body: Invoke, on_answer: Callable[[Submission | RefusalError], None]
    ) -> None:
        """Run a handler, or find the invocation that did, and have it told once that is durable.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """

    @abstractmethod
    def begin_attach(self, invocation_id: InvocationId, on_finding: OnFinding) -> Waiter:
        """Have the result of an invocation told when it has ended; None if it is unknown.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """

    @abstractmethod
    def begin_output(self, invocation_id: InvocationId, on_finding: OnFinding) -> None:
        """Have told whether an invocation has ended, and with which result.

        What is known here is told at once, within this call.

        Raises:
            RefusalError: it cannot be had now.
        """

    async def call(self, body: Invoke) -> Answer:
        """Run a handler, or find the invocation that did, and wait for the result.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        told: asyncio.Future[Answer | None] = self._loop.create_future()
        answer = await _awaited(told, self.begin_call(body, partial(fulfil, told)))
        assert answer is not None, "what was just asked for is known"
        return answer

    async def submit(self, body: Invoke) -> Submission:
        """Run a handler, or find the invocation that did, and return once that is durable.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        told: asyncio.Future[Submission] = self._loop.create_future()
        self.begin_submit(body, partial(fulfil, told))
        return await told

    async def attach(self, invocation_id: InvocationId) -> Answer | None:
        """Wait for the result of an invocation; None if it is unknown.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        told: asyncio.Future[Finding | None] = self._loop.create_future()
        waiter = self.begin_attach(invocation_id, partial(fulfil, told))
        finding = await _awaited(told, waiter)
        return None if finding is None else finding.answer

    # -- Looking

    @abstractmethod
    async def find(self, invocation_id: InvocationId) -> Invocation | None:
        """Give the row of an invocation, unless its retention has passed.

        Raises:
            RefusalError: it cannot be had now.
        """

    @abstractmethod
    async def read_journal(
        self, invocation_id: InvocationId, start: int, limit: int
    ) -> list[JournalEntry] | None:
        """Give up to ``limit`` entries of a journal, from an index on, as far as it is kept.

        None if the invocation is unknown.

        Raises:
            RefusalError: they cannot be had now.
        """

    # -- Changing what runs

    @abstractmethod
    def begin_signal(
        self,
        invocation_id: InvocationId,
        signal: int | str,
        result: Void | Value | Failure,
        on_answer: Callable[[bool | RefusalError], None],
    ) -> None:
        """Send a signal; False is told if the invocation is unknown, has not begun, or has ended.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """

    @abstractmethod
    def begin_change(
        self, body: Change, on_answer: Callable[[Verdict | RefusalError], None]
    ) -> None:
        """Change what there is, and have told what became of it.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """

    async def signal(
        self, invocation_id: InvocationId, signal: int | str, result: Void | Value | Failure
    ) -> bool:
        """Send a signal; False if the invocation is unknown, has not begun, or has ended.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        told: asyncio.Future[bool] = self._loop.create_future()
        self.begin_signal(invocation_id, signal, result, partial(fulfil, told))
        return await told

    async def change(self, body: Change) -> Verdict:
        """Change what there is, and say what became of it.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        told: asyncio.Future[Verdict] = self._loop.create_future()
        self.begin_change(body, partial(fulfil, told))
        return await told

    async def cancel(self, invocation_id: InvocationId) -> Verdict:
        """Ask an invocation to cancel itself."""
        return await self.change(Cancel(invocation_id))

    async def kill(self, invocation_id: InvocationId) -> Verdict:
        """End an invocation and all it called, at once."""
        return await self.change(Kill(invocation_id))

    async def pause(self, invocation_id: InvocationId) -> Verdict:
        """Stop an invocation until it is resumed."""
        return await self.change(Pause(invocation_id))

    async def purge(self, invocation_id: InvocationId) -> Verdict:
        """Forget an ended invocation."""
        return await self.change(Purge(invocation_id))

    async def purge_journal(self, invocation_id: InvocationId) -> Verdict:
        """Forget the journal of an ended invocation and keep its result."""
        return await self.change(PurgeJournal(invocation_id))

    @abstractmethod
    async def resume(self, invocation_id: InvocationId, deployment: str | None) -> Verdict:
        """Go on with an invocation: where it is pinned, on the ``latest`` deployment, or by id.

        Raises:
            RefusalError: a bound is reached, or the server stops.
            UnknownDeploymentError: no such deployment serves the handler.
        """

    @abstractmethod
    async def restart_as_new(
        self, invocation_id: InvocationId, upto_index: int, deployment: str | None
    ) -> tuple[Verdict, InvocationId | None]:
        """Run an ended invocation again under a new id, after a prefix of its journal.

        Raises:
            RefusalError: a bound is reached, or the server stops.
            UnknownDeploymentError: no such deployment serves the handler.
        """

    async def mutate_state(
        self, service: str, key: str, state: Mapping[bytes, bytes], version: str | None
    ) -> Verdict:
        """Replace the whole state of an object, in its turn behind whoever holds the key.

        With a version, only that version of the state is replaced.
        """
        drawn = mutation_id(key, self.clock.now_ms(), self.clock.random_bytes(CHANCE_BYTES))
        rows = tuple(sorted(state.items()))
        return await self.change(MutateState(drawn, service, key, rows, version))


def subject(body: Change) -> InvocationId:
    """Say which invocation a change is about, or which waits in line among them to make it."""
    return body.mutation_id if isinstance(body, MutateState) else body.invocation_id


def fulfil(told: asyncio.Future[T], answer: T | RefusalError) -> None:
    """Complete what somebody awaits, unless they gave up."""
    if told.done():
        return
    if isinstance(answer, RefusalError):
        told.set_exception(answer)
    else:
        told.set_result(answer)


async def _awaited(told: asyncio.Future[T], waiter: Waiter) -> T:
    try:
        return await told
    finally:
        waiter.leave()
