"""Answers what other partitions' processes ask about the invocations that live in this one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from msgspec import Raw

from perdure.core.model.journals import JournalEntry
from perdure.core.model.verdicts import Verdict
from perdure.engine.errors import RefusalError
from perdure.engine.pinning import UnknownDeploymentError
from perdure.engine.requests import Requests
from perdure.links.conversation import OnAnswer
from perdure.links.links import Links
from perdure.links.questions import (
    AwaitResult,
    MakeChange,
    ReadInvocation,
    ReadJournal,
    ReadResult,
    Restarted,
    RestartInvocation,
    ResumeInvocation,
    RunHandler,
    SendSignal,
    SubmitRequest,
    Unserved,
)

#: Entries of a journal that are read, and what they come to in bytes, before an answer goes out.
JOURNAL_PAGE: Final = 100
JOURNAL_PAGE_BYTES: Final = 4 * 1024 * 1024

_encode: Final = msgspec.msgpack.Encoder().encode

#: Takes a question back, whose asker has left.
TakeBack = Callable[[], None]


def answer_requests(links: Links, requests: Requests) -> None:
    """Answer from now on what others ask.

    Args:
        links: to the others.
        requests: of an engine that has started.
    """
    answering = Answering(requests)
    links.answer(RunHandler, answering.run)
    links.answer(SubmitRequest, answering.submit)
    links.answer(AwaitResult, answering.await_result)
    links.answer(ReadResult, answering.read_result)
    links.answer(ReadInvocation, answering.read_invocation)
    links.answer(ReadJournal, answering.read_journal)
    links.answer(SendSignal, answering.signal)
    links.answer(MakeChange, answering.change)
    links.answer(ResumeInvocation, answering.resume)
    links.answer(RestartInvocation, answering.restart)


class Answering:
    """Puts questions to the engine of this process; made by :func:`answer_requests`.

    What raises RefusalError is answered with that.
    """

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def run(self, question: RunHandler, on_answer: OnAnswer) -> TakeBack:
        """Run a handler for a caller there, for as long as that one waits."""
        return self._requests.begin_call(question.body, on_answer).leave

    def submit(self, question: SubmitRequest, on_answer: OnAnswer) -> None:
        """Take a request, and say so once it is durable."""
        self._requests.begin_submit(question.body, on_answer)

    def await_result(self, question: AwaitResult, on_answer: OnAnswer) -> TakeBack:
        """Give a result, now or when there is one."""
        return self._requests.begin_attach(question.invocation_id, on_answer).leave

    def read_result(self, question: ReadResult, on_answer: OnAnswer) -> None:
        """Give a result if there is one."""
        self._requests.begin_output(question.invocation_id, on_answer)

    def read_invocation(self, question: ReadInvocation, on_answer: OnAnswer) -> None:
        """Give a row."""
        on_answer(self._requests.lookup(question.invocation_id))

    def read_journal(self, question: ReadJournal, on_answer: OnAnswer) -> None:
        """Give a piece of a journal, at least an entry if there is one there."""
        requests, whose = self._requests, question.invocation_id
        if requests.lookup(whose) is None:
            on_answer(None)
            return
        limit = min(question.limit, JOURNAL_PAGE)
        on_answer(_first_of(requests.journal(whose, question.start, limit)))

    def signal(self, question: SendSignal, on_answer: OnAnswer) -> None:
        """Send a signal."""
        body = question.body
        self._requests.begin_signal(body.invocation_id, body.signal, body.result, on_answer)

    def change(self, question: MakeChange, on_answer: OnAnswer) -> None:
        """Change what there is."""
        self._requests.begin_change(question.body, on_answer)

    def resume(self, question: ResumeInvocation, on_answer: OnAnswer) -> None:
        """Go on with an invocation."""
        requests = self._requests
        try:
            body = requests.resumption(question.invocation_id, question.deployment)
        except UnknownDeploymentError as error:
            on_answer(Unserved(str(error)))
            return
        requests.begin_change(body, on_answer)

    def restart(self, question: RestartInvocation, on_answer: OnAnswer) -> None:
        """Run an invocation again."""
        requests, whose = self._requests, question.invocation_id
        try:
            body = requests.restart(whose, question.upto_index, question.deployment)
        except UnknownDeploymentError as error:
            on_answer(Unserved(str(error)))
            return

        def on_verdict(verdict: Verdict | RefusalError) -> None:
            if isinstance(verdict, RefusalError):
                on_answer(verdict)
            else:
                on_answer(Restarted(verdict, body.new_id))

        requests.begin_change(body, on_verdict)


def _first_of(entries: Iterable[JournalEntry]) -> list[Any]:
    """Give the first entries, encoded, until they come to a page."""
    page: list[Any] = []
    room = JOURNAL_PAGE_BYTES
    for entry in entries:
        encoded = _encode(entry)
        page.append(Raw(encoded))
        room -= len(encoded)
        if room <= 0:
            break
    return page
