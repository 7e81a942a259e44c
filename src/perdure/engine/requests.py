"""What doors may ask of the engine: invoke, wait, look, signal, and change what runs.

Whoever waits for an invocation's end waits in memory: if the process dies so does the connection,
and the client asks again under the same id. What is asked for every request comes in two forms: one
that calls back, and one to be awaited, which stands on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from typing import Final, TypeVar

from msgspec import Struct

from perdure.core.machine.actions import Finish
from perdure.core.machine.admission import ALREADY_INVOKED
from perdure.core.machine.endings import expires_at
from perdure.core.machine.notifications import can_be_told
from perdure.core.model.deployments import Registry
from perdure.core.model.identities import CHANCE_BYTES, mutation_id, request_id, sibling_id
from perdure.core.model.invocations import Completed, Invocation
from perdure.core.model.journals import JournalEntry
from perdure.core.model.records import (
    Cancel,
    Invoke,
    Kill,
    MutateState,
    Pause,
    Purge,
    PurgeJournal,
    RecordBody,
    RestartAsNew,
    Resume,
    SignalReceived,
)
from perdure.core.model.targets import Target
from perdure.core.model.verdicts import Admission, Reply, Verdict
from perdure.core.tables.keys import index_key
from perdure.engine.errors import RefusalError, UnavailableError
from perdure.engine.gate import Gate, Limits
from perdure.engine.partition import Partition
from perdure.engine.pinning import other_pin
from perdure.engine.ports import Clock
from perdure.engine.waiters import APART, Answer, OnAnswer, Waiter, Waiters
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Failure, Value, Void

T = TypeVar("T")

#: Whoever would ask again without an idempotency key would run the handler twice.
_GOES_ON: Final = (
    "the server is stopping; if the invocation was accepted it goes on: attach to it by its id"
)


class Submission(Struct, frozen=True):
    """A request that is durable; ``execution_time`` in milliseconds since 1970."""

    is_new: bool
    execution_time: int | None


class NotReady(Enum):
    """The invocation is known and has not ended."""

    NOT_READY = "not_ready"


NOT_READY: Final = NotReady.NOT_READY


class Requests:
    """The engine's face to ingress and admin."""

    def __init__(
        self,
        partition: Partition,
        clock: Clock,
        registry: Registry,
        queued_attempts: Callable[[], int],
        limits: Limits,
    ) -> None:
        self._partition = partition
        self._invocations = partition.tables.invocations
        self._journals = partition.tables.journals
        self._clock = clock
        #: What can be called now; replaced when a deployment is registered.
        self.registry = registry
        self._loop = asyncio.get_running_loop()
        self._waiters = Waiters()
        self._gate = Gate(partition, self._waiters, queued_attempts, limits)
        self._admit = self._gate.admit

    def now_ms(self) -> int:
        """Give the milliseconds since 1970."""
        return self._clock.now_ms()

    def draw_id(self, target: Target, idempotency_key: str | None) -> InvocationId:
        """Give the id under which a request is known."""
        clock = self._clock
        return request_id(target, idempotency_key, clock.now_ms(), clock.random_bytes(CHANCE_BYTES))

    # -- Invoking and waiting

    def begin_call(self, body: Invoke, on_answer: OnAnswer) -> Waiter:
        """Run a handler, or find the invocation that did, and have its result told.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        self._admit()
        waiters, invocation_id = self._waiters, body.invocation_id
        # Under an id that was drawn for this request nothing else can end.
        place = invocation_id if body.drawn else APART
        waiter = waiters.add(place, on_answer)

        def on_reply(reply: Reply | UnavailableError) -> None:
            answer = _known_answer(reply)
            if answer is not None:
                waiters.tell(waiter, answer)
            elif place is APART:
                waiters.join(waiter, invocation_id)

        try:
            self._partition.propose(body, on_reply)
        except Exception:  # what cannot be written: nobody will ever be told of it
            waiter.leave()
            raise
        return waiter

    async def call(self, body: Invoke) -> Answer:
        """Run a handler, or find the invocation that did, and wait for the result.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        answer = await self._answered(lambda on_answer: self.begin_call(body, on_answer))
        assert answer is not None, "what was just asked for is known"
        return answer

    def begin_submit(
        self, body: Invoke, on_answer: Callable[[Submission | RefusalError], None]
    ) -> None:
        """Run a handler, or find the invocation that did, and have it told once that is durable.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        self._admit()

        def on_reply(reply: Reply | UnavailableError) -> None:
            if isinstance(reply, UnavailableError):
                self._loop.call_soon(on_answer, reply)
                return
            assert isinstance(reply, Admission), "an invocation is answered with its admission"
            submission = Submission(reply.existing is None, reply.execution_time)
            self._loop.call_soon(on_answer, submission)

        self._partition.propose(body, on_reply)

    async def submit(self, body: Invoke) -> Submission:
        """Run a handler, or find the invocation that did, and return once that is durable.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        told: asyncio.Future[Submission] = self._loop.create_future()
        self.begin_submit(body, partial(_fulfil, told))
        return await told

    def begin_attach(self, invocation_id: InvocationId, on_answer: OnAnswer) -> Waiter:
        """Have the result of an invocation told; None if it is unknown.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        output = self.output(invocation_id)
        if isinstance(output, NotReady):
            self._admit()
            return self._waiters.add(invocation_id, on_answer)
        waiter = self._waiters.add(invocation_id, on_answer)
        self._waiters.tell(waiter, output)
        return waiter

    async def attach(self, invocation_id: InvocationId) -> Answer | None:
        """Wait for the result of an invocation; None if it is unknown.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        return await self._answered(lambda on_answer: self.begin_attach(invocation_id, on_answer))

    def output(self, invocation_id: InvocationId) -> Answer | NotReady | None:
        """Give the result of an invocation if it has ended; None if it is unknown."""
        row = self.lookup(invocation_id)
        if row is None:
            return None
        if not isinstance(row.status, Completed):
            return NOT_READY
        return Answer(row.status.outcome, expires_at(row))

    def lookup(self, invocation_id: InvocationId) -> Invocation | None:
        """Give the row of an invocation, unless its retention has passed."""
        row = self._invocations.get(invocation_id)
        if row is None:
            return None
        limit = expires_at(row)
        return row if limit is None or self._clock.now_ms() < limit else None

    def journal(self, invocation_id: InvocationId, start: int, limit: int) -> list[JournalEntry]:
        """Give up to ``limit`` entries of a journal, from an index on, as far as it is kept."""
        rows = self._journals.page(invocation_id, index_key(start), limit)
        return [entry for _, entry in rows]

    # -- Changing what runs

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
        self._admit()
        row = self.lookup(invocation_id)
        if row is None or not can_be_told(row):
            self._loop.call_soon(on_answer, False)
            return

        def on_reply(reply: Reply | UnavailableError) -> None:
            if isinstance(reply, UnavailableError):
                self._loop.call_soon(on_answer, reply)
            else:
                self._loop.call_soon(on_answer, reply is Verdict.ACCEPTED)

        self._partition.propose(SignalReceived(invocation_id, signal, result), on_reply)

    async def signal(
        self, invocation_id: InvocationId, signal: int | str, result: Void | Value | Failure
    ) -> bool:
        """Send a signal; False if the invocation is unknown, has not begun, or has ended.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        told: asyncio.Future[bool] = self._loop.create_future()
        self.begin_signal(invocation_id, signal, result, partial(_fulfil, told))
        return await told

    async def cancel(self, invocation_id: InvocationId) -> Verdict:
        """Ask an invocation to cancel itself."""
        return await self._verdict(Cancel(invocation_id))

    async def kill(self, invocation_id: InvocationId) -> Verdict:
        """End an invocation and all it called, at once."""
        return await self._verdict(Kill(invocation_id))

    async def pause(self, invocation_id: InvocationId) -> Verdict:
        """Stop an invocation until it is resumed."""
        return await self._verdict(Pause(invocation_id))

    async def purge(self, invocation_id: InvocationId) -> Verdict:
        """Forget an ended invocation."""
        return await self._verdict(Purge(invocation_id))

    async def purge_journal(self, invocation_id: InvocationId) -> Verdict:
        """Forget the journal of an ended invocation and keep its result."""
        return await self._verdict(PurgeJournal(invocation_id))

    async def resume(self, invocation_id: InvocationId, deployment: str | None) -> Verdict:
        """Go on with an invocation: where it is pinned, on the ``latest`` deployment, or by id.

        Raises:
            UnknownDeploymentError: no such deployment serves the handler.
        """
        row = self.lookup(invocation_id)
        pin = None if row is None else other_pin(self.registry, row, deployment)
        if row is not None and pin == row.pin:
            pin = None  # nothing changes
        return await self._verdict(Resume(invocation_id, pin))

    async def restart_as_new(
        self, invocation_id: InvocationId, upto_index: int, deployment: str | None
    ) -> tuple[Verdict, InvocationId | None]:
        """Run an ended invocation again under a new id, after a prefix of its journal.

        Raises:
            UnknownDeploymentError: no such deployment serves the handler.
        """
        row = self.lookup(invocation_id)
        pin = None if row is None else other_pin(self.registry, row, deployment or "latest")
        chance = self._clock.random_bytes(CHANCE_BYTES)
        new_id = sibling_id(invocation_id, self._clock.now_ms(), chance)
        verdict = await self._verdict(
            RestartAsNew(
                invocation_id,
                new_id,
                upto_index,
                keep_deployment=deployment == "keep",
                deployment_id=None if pin is None else pin.deployment_id,
            )
        )
        return verdict, new_id if verdict is Verdict.DONE else None

    async def mutate_state(
        self, service: str, key: str, state: Mapping[bytes, bytes], version: str | None
    ) -> Verdict:
        """Replace the whole state of an object, in its turn behind whoever holds the key.

        With a version, only that version of the state is replaced.
        """
        drawn = mutation_id(key, self._clock.now_ms(), self._clock.random_bytes(CHANCE_BYTES))
        rows = tuple(sorted(state.items()))
        return await self._verdict(MutateState(drawn, service, key, rows, version))

    # -- For the engine

    def finish(self, action: Finish) -> None:
        """Answer everyone who waits for an invocation that ended."""
        self._waiters.finish(action.invocation_id, action.outcome)

    def close(self, reason: str) -> None:
        """Take no more requests."""
        self._gate.close(reason)

    def abandon(self) -> None:
        """Tell everyone who still waits that the answer will not come from this process."""
        self._waiters.abandon(UnavailableError(_GOES_ON))

    async def _answered(self, begin: Callable[[OnAnswer], Waiter]) -> Answer | None:
        told: asyncio.Future[Answer | None] = self._loop.create_future()
        waiter = begin(partial(_fulfil, told))
        try:
            return await told
        finally:
            waiter.leave()

    async def _verdict(self, body: RecordBody) -> Verdict:
        self._admit()
        reply = await self._ask(body)
        assert isinstance(reply, Verdict), "a request for a change is answered with a verdict"
        return reply

    async def _ask(self, body: RecordBody) -> Reply:
        told: asyncio.Future[Reply] = self._loop.create_future()
        self._partition.propose(body, partial(_fulfil, told))
        return await told


def _fulfil(told: asyncio.Future[T], answer: T | RefusalError) -> None:
    """Complete what somebody awaits, unless they gave up."""
    if told.done():
        return
    if isinstance(answer, RefusalError):
        told.set_exception(answer)
    else:
        told.set_result(answer)


def _known_answer(reply: Reply | UnavailableError) -> Answer | UnavailableError | None:
    """Answer a request from what is known; None if it has to wait."""
    if isinstance(reply, UnavailableError):
        return reply
    assert isinstance(reply, Admission), "an invocation is answered with its admission"
    existing = reply.existing
    if existing is None:
        return None
    if existing.target.kind.once:
        return Answer(ALREADY_INVOKED)
    if isinstance(existing.status, Completed):
        return Answer(existing.status.outcome, expires_at(existing))
    return None
