"""What doors may ask of the engine: invoke, wait, look, signal, and change what runs.

Whoever waits for an invocation's end waits in memory: if the process dies so does the connection,
and the client asks again under the same id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

from msgspec import Struct

from perdure.core.machine.admission import ALREADY_INVOKED
from perdure.core.machine.endings import expires_at
from perdure.core.machine.notifications import can_be_told
from perdure.core.model.deployments import HandlerSchema, Registry
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
from perdure.core.model.targets import HandlerKind, Target
from perdure.core.model.verdicts import Admission, Reply, Verdict
from perdure.core.tables.keys import index_key
from perdure.engine.errors import OverloadedError, RefusalError, UnavailableError
from perdure.engine.partition import Partition
from perdure.engine.pinning import other_pin
from perdure.engine.ports import Clock
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Failure, Outcome, Value, Void

#: Whoever would ask again without an idempotency key would run the handler twice.
_GOES_ON: Final = (
    "the server is stopping; if the invocation was accepted it goes on: attach to it by its id"
)


class Answer(Struct, frozen=True):
    """The result of an invocation.

    ``expires_at`` (milliseconds since 1970) is set when the result was kept from an earlier
    execution, and None when the invocation ended just now.
    """

    outcome: Outcome
    expires_at: int | None = None


class Submission(Struct, frozen=True):
    """A request that is durable; ``execution_time`` in milliseconds since 1970."""

    is_new: bool
    execution_time: int | None


class NotReady(Enum):
    """The invocation is known and has not ended."""

    NOT_READY = "not_ready"


NOT_READY: Final = NotReady.NOT_READY


class Limits(Struct, frozen=True, kw_only=True):
    """What the engine takes at the same time; at a bound requests are refused for now."""

    #: Requests that wait for a result.
    waiters: int = 20_000
    #: Records that are not durable yet.
    records: int = 20_000
    #: Such records together, in bytes.
    record_bytes: int = 256 * 1024 * 1024
    #: Attempts that wait for a slot.
    queued_attempts: int = 200_000


class Requests:
    """The engine's face to ingress and admin."""

    def __init__(
        self,
        partition: Partition,
        clock: Clock,
        registry: Callable[[], Registry],
        queued_attempts: Callable[[], int],
        limits: Limits,
    ) -> None:
        self._partition = partition
        self._invocations = partition.tables.invocations
        self._journals = partition.tables.journals
        self._clock = clock
        self._registry = registry
        self._queued_attempts = queued_attempts
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self._waiters: dict[InvocationId, list[asyncio.Future[Answer]]] = {}
        self._waiting = 0
        self._closed: str | None = None

    @property
    def registry(self) -> Registry:
        """What can be called now."""
        return self._registry()

    def now_ms(self) -> int:
        """Give the milliseconds since 1970."""
        return self._clock.now_ms()

    def draw_id(
        self, handler: HandlerSchema, key: str, idempotency_key: str | None
    ) -> InvocationId:
        """Give the id under which a request is known."""
        target = Target(handler.service, handler.name, handler.kind, key)
        chance = self._clock.random_bytes(CHANCE_BYTES)
        return request_id(target, idempotency_key, self._clock.now_ms(), chance)

    # -- Invoking and waiting

    async def call(self, body: Invoke) -> Answer:
        """Run a handler, or find the invocation that did, and wait for the result.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        self._admit()
        invocation_id = body.invocation_id
        future = self._wait_for(invocation_id)

        def on_reply(reply: Reply | UnavailableError) -> None:
            if future.done():
                return
            if isinstance(reply, UnavailableError):
                future.set_exception(reply)
            elif isinstance(reply, Admission) and reply.existing is not None:
                answer = _known_answer(reply.existing)
                if answer is not None:
                    future.set_result(answer)

        self._partition.propose(body, on_reply)
        return await self._result_of(invocation_id, future)

    async def submit(self, body: Invoke) -> Submission:
        """Run a handler, or find the invocation that did, and return once that is durable.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        self._admit()
        reply = await self._ask(body)
        assert isinstance(reply, Admission), "an invocation is answered with its admission"
        return Submission(reply.existing is None, reply.execution_time)

    async def attach(self, invocation_id: InvocationId) -> Answer | None:
        """Wait for the result of an invocation; None if it is unknown.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        output = self.output(invocation_id)
        if output is not NOT_READY:
            assert not isinstance(output, NotReady)
            return output
        self._admit()
        return await self._result_of(invocation_id, self._wait_for(invocation_id))

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

    async def signal(
        self, invocation_id: InvocationId, signal: int | str, result: Void | Value | Failure
    ) -> bool:
        """Send a signal; False if the invocation is unknown, has not begun, or has ended.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        self._admit()
        row = self.lookup(invocation_id)
        if row is None or not can_be_told(row):
            return False
        reply = await self._ask(SignalReceived(invocation_id, signal, result))
        return reply is Verdict.ACCEPTED

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

    def finish(self, invocation_id: InvocationId, outcome: Outcome) -> None:
        """Answer everyone who waits for an invocation that ended."""
        waiting = self._waiters.get(invocation_id)
        if waiting is None:
            return
        answer = Answer(outcome)
        for future in waiting:
            if not future.done():
                future.set_result(answer)

    def close(self, reason: str) -> None:
        """Take no more requests."""
        self._closed = reason

    def abandon(self) -> None:
        """Tell everyone who still waits that the answer will not come from this process."""
        for waiting in list(self._waiters.values()):
            for future in waiting:
                if not future.done():
                    future.set_exception(UnavailableError(_GOES_ON))

    def _admit(self) -> None:
        """Refuse a request while a bound is reached; nothing came of it then."""
        limits = self._limits
        if self._closed is not None:
            raise UnavailableError(self._closed)
        if self._waiting >= limits.waiters:
            raise OverloadedError("too many requests wait for a result; try again later")
        partition = self._partition
        if partition.waiting >= limits.records or partition.waiting_bytes >= limits.record_bytes:
            raise OverloadedError("the log is behind; try again later")
        if self._queued_attempts() >= limits.queued_attempts:
            raise OverloadedError("too many invocations wait for a slot; try again later")

    def _wait_for(self, invocation_id: InvocationId) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._waiters.setdefault(invocation_id, []).append(future)
        self._waiting += 1
        return future

    async def _result_of(
        self, invocation_id: InvocationId, future: asyncio.Future[Answer]
    ) -> Answer:
        try:
            return await future
        finally:
            self._waiting -= 1
            waiting = self._waiters[invocation_id]
            waiting.remove(future)
            if not waiting:
                del self._waiters[invocation_id]

    async def _verdict(self, body: RecordBody) -> Verdict:
        self._admit()
        reply = await self._ask(body)
        assert isinstance(reply, Verdict), "a request for a change is answered with a verdict"
        return reply

    async def _ask(self, body: RecordBody) -> Reply:
        future: asyncio.Future[Reply] = self._loop.create_future()

        def on_reply(reply: Reply | UnavailableError) -> None:
            if future.done():
                return
            if isinstance(reply, RefusalError):
                future.set_exception(reply)
            else:
                future.set_result(reply)

        self._partition.propose(body, on_reply)
        return await future


def _known_answer(existing: Invocation) -> Answer | None:
    """Answer a repetition from what is known; None if it has to wait."""
    if existing.target.kind is HandlerKind.WORKFLOW:
        return Answer(ALREADY_INVOKED)
    if isinstance(existing.status, Completed):
        return Answer(existing.status.outcome, expires_at(existing))
    return None
