"""Requests that reach the partition in which their invocation lives, wherever they came in.

Who waits elsewhere for an invocation's end waits here like all others: told when the server stops,
and free to leave. It counts there alone, so that nobody counts twice. Whatever else is asked is
answered at once, or as soon as it is durable, and for that the other process lives long enough.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from perdure.core.model.deployments import Registry
from perdure.core.model.invocations import Invocation
from perdure.core.model.journals import JournalEntry
from perdure.core.model.records import Invoke, SignalReceived
from perdure.core.model.shares import Share
from perdure.core.model.verdicts import Verdict
from perdure.engine.errors import RefusalError
from perdure.engine.pinning import UnknownDeploymentError
from perdure.engine.reception import Change, OnFinding, Reception, Submission, subject
from perdure.engine.requests import Requests
from perdure.engine.waiters import OnAnswer, Waiter
from perdure.links.conversation import Asked
from perdure.links.links import Links
from perdure.links.questions import (
    AnyQuestion,
    AwaitResult,
    MakeChange,
    ReadInvocation,
    ReadJournal,
    ReadResult,
    RestartInvocation,
    ResumeInvocation,
    RunHandler,
    SendSignal,
    SubmitRequest,
    Unserved,
)
from perdure.protocol.ids import InvocationId
from perdure.protocol.messages import Failure, Value, Void


class Away(Waiter):
    """One who waits here for what another process answers."""

    #: It counts where the invocation lives.
    weight: ClassVar[int] = 0

    asked: Asked | None = None

    def leave(self) -> None:
        """Wait no longer, and have the question taken back."""
        super().leave()
        asked, self.asked = self.asked, None
        if asked is not None:
            asked.leave()

    def take(self, answer: Any) -> None:
        """Hand on what was answered, unless the server stopped before."""
        self._waiters.forget(self)
        self.asked = None  # what knows each other is freed at once only if it lets go
        on_answer, self.on_answer = self.on_answer, None
        if on_answer is not None:
            on_answer(answer)


class RoutedRequests(Reception):
    """The face of a server of several partitions.

    Args:
        share: what lives in this process.
        local: the face of the partition of this process.
        links: to all others.
    """

    __slots__ = ("_links", "_local")

    def __init__(self, share: Share, local: Requests, links: Links) -> None:
        super().__init__(local.clock, share)
        self._local = local
        self._links = links

    @property
    def registry(self) -> Registry:
        """What can be called now."""
        return self._local.registry

    # -- Invoking and waiting

    def begin_call(self, body: Invoke, on_answer: OnAnswer) -> Waiter:
        """Run a handler, or find the invocation that did, and have its result told.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        whose = body.invocation_id
        if self._share.holds(whose):
            return self._local.begin_call(body, on_answer)
        self._local.admit()
        return self._wait(whose, RunHandler(body), on_answer)

    def begin_submit(
        self, body: Invoke, on_answer: Callable[[Submission | RefusalError], None]
    ) -> None:
        """Run a handler, or find the invocation that did, and have it told once that is durable.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        whose = body.invocation_id
        if self._share.holds(whose):
            self._local.begin_submit(body, on_answer)
            return
        self._local.admit()
        self._links.ask(self._share.owner(whose), SubmitRequest(body), on_answer)

    def begin_attach(self, invocation_id: InvocationId, on_finding: OnFinding) -> Waiter:
        """Have the result of an invocation told when it has ended; None if it is unknown.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        if self._share.holds(invocation_id):
            return self._local.begin_attach(invocation_id, on_finding)
        self._local.admit()
        return self._wait(invocation_id, AwaitResult(invocation_id), on_finding)

    def begin_output(self, invocation_id: InvocationId, on_finding: OnFinding) -> None:
        """Have told whether an invocation has ended, and with which result.

        Raises:
            RefusalError: it cannot be had now.
        """
        if self._share.holds(invocation_id):
            self._local.begin_output(invocation_id, on_finding)
            return
        owner = self._share.owner(invocation_id)
        self._links.ask(owner, ReadResult(invocation_id), on_finding)

    # -- Looking

    async def find(self, invocation_id: InvocationId) -> Invocation | None:
        """Give the row of an invocation, unless its retention has passed.

        Raises:
            RefusalError: it cannot be had now.
        """
        if self._share.holds(invocation_id):
            return self._local.lookup(invocation_id)
        found: Invocation | None = await self._asked(invocation_id, ReadInvocation(invocation_id))
        return found

    async def read_journal(
        self, invocation_id: InvocationId, start: int, limit: int
    ) -> list[JournalEntry] | None:
        """Give up to ``limit`` entries of a journal; None if the invocation is unknown.

        Raises:
            RefusalError: they cannot be had now.
        """
        if self._share.holds(invocation_id):
            return await self._local.read_journal(invocation_id, start, limit)
        entries: list[JournalEntry] = []
        while len(entries) < limit:
            question = ReadJournal(invocation_id, start + len(entries), limit - len(entries))
            page = await self._asked(invocation_id, question)
            if page is None:
                return entries or None
            if not page:
                break
            entries += page
        return entries

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
        if self._share.holds(invocation_id):
            self._local.begin_signal(invocation_id, signal, result, on_answer)
            return
        self._local.admit()
        body = SignalReceived(invocation_id, signal, result)
        self._links.ask(self._share.owner(invocation_id), SendSignal(body), on_answer)

    def begin_change(
        self, body: Change, on_answer: Callable[[Verdict | RefusalError], None]
    ) -> None:
        """Change what there is, and have told what became of it.

        Raises:
            RefusalError: a bound is reached, or the server stops.
        """
        whose = subject(body)
        if self._share.holds(whose):
            self._local.begin_change(body, on_answer)
            return
        self._local.admit()
        self._links.ask(self._share.owner(whose), MakeChange(body), on_answer)

    async def resume(self, invocation_id: InvocationId, deployment: str | None) -> Verdict:
        """Go on with an invocation: where it is pinned, on the ``latest`` deployment, or by id.

        Raises:
            RefusalError: a bound is reached, or the server stops.
            UnknownDeploymentError: no such deployment serves the handler.
        """
        if self._share.holds(invocation_id):
            return await self._local.resume(invocation_id, deployment)
        self._local.admit()
        question = ResumeInvocation(invocation_id, deployment)
        answer: Verdict | Unserved = await self._asked(invocation_id, question)
        if isinstance(answer, Unserved):
            raise UnknownDeploymentError(answer.reason)
        return answer

    async def restart_as_new(
        self, invocation_id: InvocationId, upto_index: int, deployment: str | None
    ) -> tuple[Verdict, InvocationId | None]:
        """Run an ended invocation again under a new id, after a prefix of its journal.

        Raises:
            RefusalError: a bound is reached, or the server stops.
            UnknownDeploymentError: no such deployment serves the handler.
        """
        if self._share.holds(invocation_id):
            return await self._local.restart_as_new(invocation_id, upto_index, deployment)
        self._local.admit()
        question = RestartInvocation(invocation_id, upto_index, deployment)
        answer = await self._asked(invocation_id, question)
        if isinstance(answer, Unserved):
            raise UnknownDeploymentError(answer.reason)
        return answer.verdict, answer.new_id if answer.verdict is Verdict.DONE else None

    # -- Elsewhere

    def _wait(
        self, whose: InvocationId, question: AnyQuestion, on_answer: Callable[[Any], None]
    ) -> Away:
        """Ask whoever has an invocation, and wait until that ends."""
        waiters = self._local.waiters
        away = Away(waiters, whose, on_answer)
        waiters.enter(away)
        try:
            away.asked = self._links.ask(self._share.owner(whose), question, away.take)
        except Exception:  # nobody will ever be told of what cannot be sent
            away.leave()
            raise
        return away

    async def _asked(self, whose: InvocationId, question: AnyQuestion) -> Any:
        return await self._links.asked(self._share.owner(whose), question)
