"""What doors may ask of one partition: invoke, wait, look, signal, and change what runs.

Whoever waits for an invocation's end waits in memory: if the process dies so does the connection,
and the client asks again under the same id.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final

from perdure.core.machine.actions import Finish
from perdure.core.machine.admission import ALREADY_INVOKED
from perdure.core.machine.endings import expires_at
from perdure.core.machine.notifications import can_be_told
from perdure.core.model.deployments import Registry
from perdure.core.model.identities import CHANCE_BYTES, sibling_id
from perdure.core.model.invocations import Completed, Invocation
from perdure.core.model.journals import JournalEntry
from perdure.core.model.records import Invoke, RestartAsNew, Resume, SignalReceived
from perdure.core.model.shares import ALONE, Share
from perdure.core.model.verdicts import Admission, Reply, Verdict
from perdure.core.tables.keys import index_key
from perdure.engine.errors import RefusalError, UnavailableError
from perdure.engine.gate import Gate, Limits
from perdure.engine.partition import Partition
from perdure.engine.pinning import other_pin
from perdure.engine.ports import Clock
from perdure.engine.reception import (
    GOES_ON,
    Change,
    Finding,
    OnFinding,
    Reception,
    Submission,
)
from perdure.engine.waiters import APART, Answer, OnAnswer, Waiter, Waiters
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Failure, Value, Void


class NotReady(Enum):
    """The invocation is known and has not ended."""

    NOT_READY = "not_ready"


NOT_READY: Final = NotReady.NOT_READY


class Requests(Reception):
    """The face of one partition, which has whatever it is asked about or nobody has."""

    __slots__ = (
        "_gate",
        "_invocations",
        "_journals",
        "_partition",
        "admit",
        "registry",
        "waiters",
    )

    #: What can be called now; replaced when a deployment is registered.
    registry: Registry

    def __init__(
        self,
        partition: Partition,
        clock: Clock,
        registry: Registry,
        queued_attempts: Callable[[], int],
        limits: Limits,
        share: Share = ALONE,
    ) -> None:
        super().__init__(clock, share)
        self._partition = partition
        self._invocations = partition.tables.invocations
        self._journals = partition.tables.journals
        self.registry = registry
        #: All who wait for a result here, wherever it will come from.
        self.waiters = Waiters()
        self._gate = Gate(partition, self.waiters, queued_attempts, limits)
        #: Lets a request in, whoever will answer it, or raises RefusalError.
        self.admit = self._gate.admit

    # -- Invoking and waiting

    def begin_call(self, body: Invoke, on_answer: OnAnswer) -> Waiter:
        """Run a handler, or find the invocation that did, and have its result told.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        self.admit()
        waiters, invocation_id = self.waiters, body.invocation_id
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

    def begin_submit(
        self, body: Invoke, on_answer: Callable[[Submission | RefusalError], None]
    ) -> None:
        """Run a handler, or find the invocation that did, and have it told once that is durable.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        self.admit()

        def on_reply(reply: Reply | UnavailableError) -> None:
            if isinstance(reply, UnavailableError):
                self._loop.call_soon(on_answer, reply)
                return
            assert isinstance(reply, Admission), "an invocation is answered with its admission"
            submission = Submission(reply.existing is None, reply.execution_time)
            self._loop.call_soon(on_answer, submission)

        self._partition.propose(body, on_reply)

    def begin_attach(self, invocation_id: InvocationId, on_finding: OnFinding) -> Waiter:
        """Have the result of an invocation told when it has ended; None if it is unknown.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        finding = self._finding(invocation_id)
        if finding is not None and finding.answer is None:
            self.admit()
            target = finding.target

            def on_answer(answer: Answer | RefusalError | None) -> None:
                on_finding(Finding(target, answer) if isinstance(answer, Answer) else answer)

            return self.waiters.add(invocation_id, on_answer)

        waiter = self.waiters.add(invocation_id, lambda _none: on_finding(finding))
        self.waiters.tell(waiter, None)
        return waiter

    def begin_output(self, invocation_id: InvocationId, on_finding: OnFinding) -> None:
        """Tell, at once, whether an invocation has ended, and with which result."""
        on_finding(self._finding(invocation_id))

    # -- Looking

    async def find(self, invocation_id: InvocationId) -> Invocation | None:
        """Give the row of an invocation, unless its retention has passed."""
        return self.lookup(invocation_id)

    async def read_journal(
        self, invocation_id: InvocationId, start: int, limit: int
    ) -> list[JournalEntry] | None:
        """Give up to ``limit`` entries of a journal; None if the invocation is unknown."""
        if self.lookup(invocation_id) is None:
            return None
        return self.journal(invocation_id, start, limit)

    def output(self, invocation_id: InvocationId) -> Answer | NotReady | None:
        """Give the result of an invocation if it has ended; None if it is unknown."""
        row = self.lookup(invocation_id)
        return None if row is None else _result(row) or NOT_READY

    def lookup(self, invocation_id: InvocationId) -> Invocation | None:
        """Give the row of an invocation, unless its retention has passed."""
        row = self._invocations.get(invocation_id)
        if row is None:
            return None
        limit = expires_at(row)
        return row if limit is None or self.clock.now_ms() < limit else None

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
        self.admit()
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

    def begin_change(
        self, body: Change, on_answer: Callable[[Verdict | RefusalError], None]
    ) -> None:
        """Change what there is, and have told what became of it.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        self.admit()

        def on_reply(reply: Reply | UnavailableError) -> None:
            assert isinstance(reply, Verdict | UnavailableError), "a change is judged"
            self._loop.call_soon(on_answer, reply)

        self._partition.propose(body, on_reply)

    def resumption(self, invocation_id: InvocationId, deployment: str | None) -> Resume:
        """Say how to go on: where the invocation is pinned, on the ``latest`` deployment, or by id.

        Raises:
            UnknownDeploymentError: no such deployment serves the handler.
        """
        row = self.lookup(invocation_id)
        pin = None if row is None else other_pin(self.registry, row, deployment)
        if row is not None and pin == row.pin:
            pin = None  # nothing changes
        return Resume(invocation_id, pin)

    def restart(
        self, invocation_id: InvocationId, upto_index: int, deployment: str | None
    ) -> RestartAsNew:
        """Say how to run an invocation again, under an id that is drawn for it.

        Raises:
            UnknownDeploymentError: no such deployment serves the handler.
        """
        row = self.lookup(invocation_id)
        pin = None if row is None else other_pin(self.registry, row, deployment or "latest")
        chance = self.clock.random_bytes(CHANCE_BYTES)
        return RestartAsNew(
            invocation_id,
            sibling_id(invocation_id, self.clock.now_ms(), chance),
            upto_index,
            keep_deployment=deployment == "keep",
            deployment_id=None if pin is None else pin.deployment_id,
        )

    async def resume(self, invocation_id: InvocationId, deployment: str | None) -> Verdict:
        """Go on with an invocation: where it is pinned, on the ``latest`` deployment, or by id."""
        return await self.change(self.resumption(invocation_id, deployment))

    async def restart_as_new(
        self, invocation_id: InvocationId, upto_index: int, deployment: str | None
    ) -> tuple[Verdict, InvocationId | None]:
        """Run an ended invocation again under a new id, after a prefix of its journal."""
        body = self.restart(invocation_id, upto_index, deployment)
        verdict = await self.change(body)
        return verdict, body.new_id if verdict is Verdict.DONE else None

    # -- For the engine

    def finish(self, action: Finish) -> None:
        """Answer everyone who waits for an invocation that ended."""
        self.waiters.finish(action.invocation_id, action.outcome)

    def close(self, reason: str) -> None:
        """Take no more requests."""
        self._gate.close(reason)

    def abandon(self) -> None:
        """Tell everyone who still waits that the answer will not come from this process."""
        self.waiters.abandon(UnavailableError(GOES_ON))

    def _finding(self, invocation_id: InvocationId) -> Finding | None:
        row = self.lookup(invocation_id)
        return None if row is None else Finding(row.target, _result(row))


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
    return _result(existing)


def _result(row: Invocation) -> Answer | None:
    """Give what an invocation has ended with; None if it has not."""
    if not isinstance(row.status, Completed):
        return None
    return Answer(row.status.outcome, expires_at(row))
