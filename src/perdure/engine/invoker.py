"""Open attempts, as many at once as there are slots; the others wait for one.

A waiting attempt is a row in the table of running invocations and a few bytes here. When attempts
wait, the ones that only wait for the server themselves are asked to suspend, so that a parent never
keeps the slot that its child needs.

Attempts hold what was not sent yet and what has not come whole. While all of them together hold
too much, those that would add much to it wait, and the others go past them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from perdure.core.attempt.attempt import Attempt, Chance, JournalLimits
from perdure.core.attempt.checks import stored_bytes
from perdure.core.attempt.opening import opening
from perdure.core.machine.actions import Notify, StartAttempt, StopAttempt
from perdure.core.model.deployments import Deployment, HandlerSchema, Registry, ServiceSchema
from perdure.core.model.invocations import Invocation, Pin, Problem, Running
from perdure.core.model.records import Failed, Progress
from perdure.core.model.shares import ALONE, Share
from perdure.core.tables.keys import index_key, object_key
from perdure.core.tables.tables import Tables
from perdure.engine.attempts import OpenAttempt, broken_session
from perdure.engine.memory import LIGHT_BYTES, Memory
from perdure.engine.moment import LiveAttempt
from perdure.engine.partition import SLICE_S, Partition
from perdure.engine.pinning import UnservableError, pin_of
from perdure.engine.ports import Clock, StorageError
from perdure.engine.transports import Line, TransportError, Transports
from perdure.protocol.ids import InvocationId, invocation_text
from perdure.protocol.manifest import ProtocolMode
from perdure.protocol.messages import Message, Start

#: How often silent attempts are looked for, in seconds.
SWEEP_S: Final = 1.0
#: How often attempts that only wait are asked to make room while others wait for a slot.
ROOM_S: Final = 0.05
#: What is logged of the reason why an attempt failed, in characters.
LOGGED_CHARS_MAX: Final = 1000
#: Entries of an object's state that are read at once: those that are not sent need no memory.
STATE_PAGE: Final = 64
#: Attempts that wait until less is held. With so many of them, all others wait as well: to find out
#: what an attempt would hold is to read it.
HEAVY_MAX: Final = 256
#: Members of an enum are slow to reach before Python 3.12: looked up once for all attempts.
_REQUEST_RESPONSE: Final = ProtocolMode.REQUEST_RESPONSE

logger = logging.getLogger("perdure.engine")


class Invoker:
    """Starts, feeds and stops attempts."""

    def __init__(
        self,
        partition: Partition,
        transports: Transports,
        clock: Clock,
        registry: Registry,
        slots: int,
        limits: JournalLimits,
        memory_bytes: int,
        share: Share = ALONE,
    ) -> None:
        self._partition = partition
        self._tables: Tables = partition.tables
        self._transports = transports
        self._clock = clock
        self._chance = Chance(clock.now_ms, clock.random_bytes, clock.chance, share)
        #: What can be called now; replaced when a deployment is registered.
        self.registry = registry
        self._slots = slots
        self._limits = limits
        self._open: dict[InvocationId, OpenAttempt] = {}
        self._queue: deque[tuple[InvocationId, int]] = deque()
        self._memory = Memory(memory_bytes, self._memory_freed)
        #: Attempts that would hold much, and wait until less is held.
        self._heavy: deque[tuple[InvocationId, int]] = deque()
        #: Gives how many attempts wait for a slot.
        self.count_queued: Callable[[], int] = self._queue.__len__
        self._loop = asyncio.get_running_loop()
        self._sweep: asyncio.TimerHandle | None = None
        self._room: asyncio.Handle | None = None
        self._filling: asyncio.Handle | None = None
        self._stopping = False
        #: Set when the last attempt has ended, once no more are started.
        self._all_ended = asyncio.Event()

    @property
    def open_attempts(self) -> int:
        """How many attempts are open."""
        return len(self._open)

    @property
    def live(self) -> dict[InvocationId, LiveAttempt]:
        """The attempts that are open now."""
        return {key: shell.live for key, shell in self._open.items()}

    def handler(self, service: str, handler: str) -> HandlerSchema | None:
        """Give the newest revision of a handler, for attempts that call it."""
        return self.registry.handler(service, handler)

    def start(self, action: StartAttempt) -> None:
        """Start an attempt, now or when a slot is free."""
        if self._stopping:
            return  # the table of running invocations starts it after the restart
        if self._queue or not self._has_room:
            self._queue.append((action.invocation_id, action.attempt))
            self._fill_soon()
        else:
            self._begin(action.invocation_id, action.attempt)

    def stop(self, action: StopAttempt) -> None:
        """Abort the open attempt of an invocation, if there is one."""
        attempt = self._open.get(action.invocation_id)
        if attempt is not None:
            attempt.abort()

    def notify(self, action: Notify) -> None:
        """Forward a journal entry to the open attempt of an invocation, if there is one."""
        attempt = self._open.get(action.invocation_id)
        if attempt is not None:
            attempt.notify(action.index, action.notification)

    async def drain(self, deadline_s: float) -> None:
        """Let attempts end or suspend until a deadline, then abort what is left."""
        self._take_no_more()
        for attempt in list(self._open.values()):
            attempt.close_input()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                if self._open:
                    await self._all_ended.wait()
        self.abort_all()

    def abort_all(self) -> None:
        """Abort every attempt; what they did so far is in the log or will be done again."""
        self._take_no_more()
        for attempt in list(self._open.values()):
            attempt.abort()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    @property
    def _has_slot(self) -> bool:
        return len(self._open) < self._slots

    @property
    def _has_room(self) -> bool:
        """Whether an attempt may start that holds little."""
        return len(self._open) < self._slots and len(self._heavy) < HEAVY_MAX

    def _take_no_more(self) -> None:
        self._stopping = True
        self._queue.clear()
        self._heavy.clear()

    def _memory_freed(self) -> None:
        if self._heavy:
            # Not now: whoever gave something back is in the midst of it.
            self._fill_soon()

    def _fill_soon(self) -> None:
        if self._filling is None:
            self._filling = self._loop.call_soon(self._fill)

    def _fill(self) -> None:
        """Start what waits for a slot, as far as there are slots, and time in this turn."""
        self._filling = None
        until = self._loop.time() + SLICE_S
        try:
            while (waiting := self._next_to_start()) is not None:
                self._begin(*waiting)
                if self._loop.time() > until:
                    self._fill_soon()
                    return
        except StorageError as error:  # what cannot be read now would never be started
            self._partition.fail(error)
        if self._queue and not self._has_slot and self._room is None:
            self._room = self._loop.call_soon(self._make_room)

    def _next_to_start(self) -> tuple[InvocationId, int] | None:
        if self._heavy and self._has_slot and not self._memory.full:
            return self._heavy.popleft()
        return self._queue.popleft() if self._queue and self._has_room else None

    def _make_room(self) -> None:
        """Ask attempts that only wait to suspend, one for each that waits for a slot."""
        self._room = None
        wanted = 0 if self._has_slot else len(self._queue)
        for attempt in list(self._open.values()):
            if wanted <= 0:
                break
            if attempt.attempt.idle and not attempt.closing:
                attempt.close_input()
                wanted -= 1
        if self._queue and not self._has_slot and not self._stopping:
            self._room = self._loop.call_later(ROOM_S, self._make_room)

    def _begin(self, invocation_id: InvocationId, number: int) -> None:
        row = self._tables.invocations.get(invocation_id)
        if row is None or row.attempt != number or not isinstance(row.status, Running):
            return  # superseded while it waited
        superseded = self._open.get(invocation_id)
        if superseded is not None:
            superseded.abort()
        try:
            deployment, schema, pin = self._choose(row)
        except UnservableError as error:
            policy = self.registry.defaults.retries()
            failed = Failed(error.problem, policy, self._clock.chance())
            self._propose(Progress(invocation_id, number, (), ending=failed))
            return
        now = self._clock.now_ms()
        first = self._opening(invocation_id, row, schema, now)
        if self._memory.full and _weight(first) > LIGHT_BYTES:
            self._heavy.append((invocation_id, number))
            return
        attempt = Attempt(
            invocation_id,
            number,
            schema,
            pin,
            self,
            self._chance,
            self._limits,
        )
        shell = OpenAttempt(attempt, self._propose, self._ended, self._loop.time, now, deployment)
        self._open_session(shell, row, deployment, pin, first)

    def _opening(
        self, invocation_id: InvocationId, row: Invocation, schema: HandlerSchema, now: int
    ) -> list[Message]:
        journal = self._tables.journals.counted(invocation_id, row.journal.entries, index_key)
        state: Iterable[tuple[bytes, bytes]] | None = None
        if row.target.kind.keyed and not schema.lazy_state:
            state = self._tables.states.paged(object_key(row.target), STATE_PAGE)
        return opening(invocation_id, row, journal, state, now, self._limits.eager_state_bytes)

    def _open_session(
        self,
        shell: OpenAttempt,
        row: Invocation,
        deployment: Deployment,
        pin: Pin,
        first: Sequence[Message],
    ) -> None:
        attempt, status = shell.attempt, row.status
        assert isinstance(status, Running), "it is opened for the row that was just looked at"
        line = Line(
            attempt.invocation_id,
            row.target,
            pin.protocol_version,
            shell.deliver,
            shell.fail,
            status.failures_since_progress,
            self._memory,
        )
        try:
            session = self._transports.open(deployment, line)
        except TransportError as error:
            shell.fail(Problem(500, str(error), doc_code=error.doc_code))
            return
        except Exception as error:  # a defect in a transport costs one attempt, no more
            logger.exception("an attempt's session could not be opened")
            shell.fail(broken_session(error))
            return
        self._open[attempt.invocation_id] = shell
        if self._sweep is None:
            self._sweep = self._loop.call_later(SWEEP_S, self._look_for_silent)
        shell.begin(session, first)
        if (
            deployment.manifest.protocol_mode is _REQUEST_RESPONSE
            or attempt.schema.inactivity_timeout_ms == 0
        ):
            shell.close_input()

    def _choose(self, row: Invocation) -> tuple[Deployment, HandlerSchema, Pin]:
        """Find the handler: where the invocation is pinned to, else the newest revision."""
        registry, target = self.registry, row.target
        service: ServiceSchema | None
        if row.pin is None:
            service = registry.services.get(target.service)
        else:
            service = registry.pinned.get((row.pin.deployment_id, target.service))
        schema = None if service is None else service.handlers.get(target.handler)
        if service is None or schema is None:
            raise UnservableError(
                Problem(
                    500,
                    f"no deployment serves {target.service}/{target.handler}; register one, or "
                    "resume the invocation on another deployment",
                    doc_code="RT0011",
                )
            )
        if schema.kind is not target.kind:
            # As what it was admitted decides what it may do: only then has it the key's lock.
            schema = replace(schema, kind=target.kind)
        deployment = registry.deployments[service.deployment_id]
        return deployment, schema, pin_of(row, deployment)

    def _propose(self, progress: Progress) -> None:
        self._partition.propose(progress)
        if type(progress.ending) is Failed:
            self._tell_failure(progress, progress.ending.problem)

    def _tell_failure(self, progress: Progress, problem: Problem) -> None:
        """Log what went wrong in one line, for whoever develops the handler."""
        row = self._tables.invocations.get(progress.invocation_id)
        if row is None or row.attempt != progress.attempt or not isinstance(row.status, Running):
            return  # superseded meanwhile: nothing follows from it
        logger.warning(
            "%s %s: attempt %d failed: %s [%s]",
            invocation_text(progress.invocation_id),
            row.target,
            row.status.failures + 1,
            problem.message.partition("\n")[0][:LOGGED_CHARS_MAX],
            problem.doc_code,
        )

    def _ended(self, shell: OpenAttempt) -> None:
        invocation_id = shell.attempt.invocation_id
        if self._open.get(invocation_id) is shell:
            del self._open[invocation_id]
        if self._stopping:
            if not self._open:
                self._all_ended.set()
        elif self._queue or self._heavy:
            # Not now: a handler that ends while it starts would start the next one inside itself.
            self._fill_soon()

    def _look_for_silent(self) -> None:
        self._sweep = None
        now = self._loop.time()
        for attempt in list(self._open.values()):
            attempt.overdue(now)
        if self._open and not self._stopping:
            self._sweep = self._loop.call_later(SWEEP_S, self._look_for_silent)


def _weight(first: Sequence[Message]) -> int:
    """Give what the first messages of an attempt carry, in bytes."""
    start = first[0]
    assert isinstance(start, Start), "every attempt begins with it"
    return stored_bytes(first) + sum(len(key) + len(value) for key, value in start.state_map)
