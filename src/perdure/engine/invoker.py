"""Open attempts, as many at once as there are slots; the others wait for one.

A waiting attempt is a row in the table of running invocations and a few bytes here. When attempts
wait, the ones that only wait for the server themselves are asked to suspend, so that a parent never
keeps the slot that its child needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from perdure.core.attempt.attempt import Attempt, Chance, JournalLimits
from perdure.core.attempt.opening import opening
from perdure.core.model.deployments import Deployment, HandlerSchema, Registry, ServiceSchema
from perdure.core.model.invocations import Invocation, Pin, Problem, Running
from perdure.core.model.records import Failed, Progress
from perdure.core.tables.keys import object_key
from perdure.core.tables.tables import Tables
from perdure.engine.attempts import OpenAttempt, broken_session
from perdure.engine.moment import LiveAttempt
from perdure.engine.partition import Partition
from perdure.engine.pinning import UnservableError, pin_of
from perdure.engine.ports import Clock
from perdure.engine.transports import Line, TransportError, Transports
from perdure.protocol.ids import InvocationId, invocation_text
from perdure.protocol.manifest import ProtocolMode
from perdure.protocol.messages import Notification

#: How often silent attempts are looked for, in seconds.
SWEEP_S: Final = 1.0
#: How often attempts that only wait are asked to make room while others wait for a slot.
ROOM_S: Final = 0.05
#: Entries of an object's state that are read at once: those that are not sent need no memory.
STATE_PAGE: Final = 64

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
    ) -> None:
        self._partition = partition
        self._tables: Tables = partition.tables
        self._transports = transports
        self._clock = clock
        self._chance = Chance(clock.now_ms, clock.random_bytes, clock.chance)
        #: What can be called now; replaced when a deployment is registered.
        self.registry = registry
        self._slots = slots
        self._limits = limits
        self._open: dict[InvocationId, OpenAttempt] = {}
        self._queue: deque[tuple[InvocationId, int]] = deque()
        #: Gives how many attempts wait for a slot.
        self.count_queued: Callable[[], int] = self._queue.__len__
        self._loop = asyncio.get_running_loop()
        self._sweep: asyncio.TimerHandle | None = None
        self._room: asyncio.Handle | None = None
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
        return {key: shell.live for key, shell in self._open.items() if shell.live is not None}

    def handler(self, service: str, handler: str) -> HandlerSchema | None:
        """Give the newest revision of a handler, for attempts that call it."""
        return self.registry.handler(service, handler)

    def start(self, invocation_id: InvocationId, attempt: int) -> None:
        """Start an attempt, now or when a slot is free."""
        if self._stopping:
            return  # the table of running invocations starts it after the restart
        if self._queue or len(self._open) >= self._slots:
            self._queue.append((invocation_id, attempt))
            self._fill()
        else:
            self._begin(invocation_id, attempt)

    def stop(self, invocation_id: InvocationId) -> None:
        """Abort the open attempt of an invocation, if there is one."""
        attempt = self._open.get(invocation_id)
        if attempt is not None:
            attempt.abort()

    def notify(self, invocation_id: InvocationId, index: int, notification: Notification) -> None:
        """Forward a journal entry to the open attempt of an invocation, if there is one."""
        attempt = self._open.get(invocation_id)
        if attempt is not None:
            attempt.notify(index, notification)

    async def drain(self, deadline_s: float) -> None:
        """Let attempts end or suspend until a deadline, then abort what is left."""
        self._stopping = True
        self._queue.clear()
        for attempt in list(self._open.values()):
            attempt.close_input()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                if self._open:
                    await self._all_ended.wait()
        self.abort_all()

    def abort_all(self) -> None:
        """Abort every attempt; what they did so far is in the log or will be done again."""
        self._stopping = True
        self._queue.clear()
        for attempt in list(self._open.values()):
            attempt.abort()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def _fill(self) -> None:
        while self._queue and len(self._open) < self._slots:
            invocation_id, number = self._queue.popleft()
            self._begin(invocation_id, number)
        if self._queue and self._room is None:
            self._room = self._loop.call_soon(self._make_room)

    def _make_room(self) -> None:
        """Ask attempts that only wait to suspend, one for each that waits for a slot."""
        self._room = None
        wanted = len(self._queue)
        for attempt in list(self._open.values()):
            if wanted <= 0:
                break
            if attempt.attempt.idle and not attempt.closing:
                attempt.close_input()
                wanted -= 1
        if self._queue and not self._stopping:
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
            policy = self.registry.defaults.retry_policy
            failed = Failed(error.problem, policy, self._clock.chance())
            self._propose(Progress(invocation_id, number, (), ending=failed))
            return
        attempt = Attempt(
            invocation_id,
            number,
            schema,
            pin=pin,
            directory=self,
            chance=self._chance,
            limits=self._limits,
        )
        shell = OpenAttempt(attempt, self._propose, self._ended, self._loop.time)
        self._open_session(shell, row, deployment, pin)

    def _open_session(
        self, shell: OpenAttempt, row: Invocation, deployment: Deployment, pin: Pin
    ) -> None:
        attempt = shell.attempt
        try:
            session = self._transports.open(
                deployment,
                Line(
                    attempt.invocation_id,
                    row.target,
                    pin.protocol_version,
                    shell.deliver,
                    shell.fail,
                ),
            )
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
        rows = self._tables.journals.counted(attempt.invocation_id, row.journal.entries)
        journal = [entry for _, entry in rows]
        state: Iterable[tuple[bytes, bytes]] | None = None
        if row.target.kind.keyed and not attempt.schema.lazy_state:
            state = self._tables.states.paged(object_key(row.target), STATE_PAGE)
        now = self._clock.now_ms()
        shell.live = LiveAttempt(now, deployment.id, deployment.sdk_version)
        state_bytes_max = self._limits.eager_state_bytes
        shell.begin(
            session, opening(attempt.invocation_id, row, journal, state, now, state_bytes_max)
        )
        if (
            deployment.manifest.protocol_mode is ProtocolMode.REQUEST_RESPONSE
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
            problem.message.partition("\n")[0],
            problem.doc_code,
        )

    def _ended(self, shell: OpenAttempt) -> None:
        invocation_id = shell.attempt.invocation_id
        if self._open.get(invocation_id) is shell:
            del self._open[invocation_id]
        if self._stopping:
            if not self._open:
                self._all_ended.set()
        elif self._queue:
            # Not now: a handler that ends while it starts would start the next one inside itself.
            self._loop.call_soon(self._fill)

    def _look_for_silent(self) -> None:
        self._sweep = None
        now = self._loop.time()
        for attempt in list(self._open.values()):
            attempt.overdue(now)
        if self._open and not self._stopping:
            self._sweep = self._loop.call_later(SWEEP_S, self._look_for_silent)
