"""An open attempt: the pure half of the server, the session with the SDK, and the pump between."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final

from perdure.core.attempt.attempt import Attempt
from perdure.core.model.deployments import Deployment
from perdure.core.model.invocations import Problem
from perdure.core.model.records import Progress
from perdure.engine.moment import LiveAttempt
from perdure.protocol.messages import End, Error, Message, Notification, Suspension
from perdure.protocol.session import Session

_TERMINAL = frozenset({End, Suspension, Error})
#: Messages that go into one record: a record is applied in one piece, and holds up all others.
RECORD_MESSAGES_MAX: Final = 256

logger = logging.getLogger("perdure.engine")


class OpenAttempt:
    """Carries messages between one attempt and one session, until one of them is done.

    Args:
        attempt: the server's half.
        propose: takes what is to be recorded.
        ended: called once, when nothing more will come of the attempt.
        now: gives the loop's time, in seconds.
        started_at: milliseconds since 1970.
        deployment: where it runs.
    """

    __slots__ = (
        "_closing_since",
        "_deployment",
        "_ended",
        "_last_word",
        "_now",
        "_propose",
        "_session",
        "_started_at",
        "attempt",
    )

    def __init__(
        self,
        attempt: Attempt,
        propose: Callable[[Progress], None],
        ended: Callable[[OpenAttempt], None],
        now: Callable[[], float],
        started_at: int,
        deployment: Deployment,
    ) -> None:
        #: The server's half.
        self.attempt = attempt
        self._propose = propose
        self._ended = ended
        self._now = now
        self._session: Session | None = None
        #: When the last message went either way, on the loop's clock; 0 before it begins.
        self._last_word = 0.0
        self._closing_since: float | None = None
        self._started_at = started_at
        self._deployment = deployment

    @property
    def live(self) -> LiveAttempt:
        """What queries see of it."""
        deployment = self._deployment
        return LiveAttempt(self._started_at, deployment.id, deployment.sdk_version)

    @property
    def closing(self) -> bool:
        """Whether the SDK was asked to suspend."""
        return self._closing_since is not None

    def begin(self, session: Session, opening: Sequence[Message]) -> None:
        """Send the first messages; the handler may be done when this returns."""
        self._session = session
        self.attempt.opened(opening)
        self._hand_over(opening)

    def deliver(self, messages: Sequence[Message]) -> None:
        """Take what the SDK says."""
        if len(messages) > RECORD_MESSAGES_MAX:
            for start in range(0, len(messages), RECORD_MESSAGES_MAX):
                self.deliver(messages[start : start + RECORD_MESSAGES_MAX])
            return
        if not self.attempt.open:
            return
        try:
            progress = self.attempt.receive(messages)
            if progress is None or progress.ending is None:
                self._last_word = self._now()
            if progress is None:
                return
            self._propose(progress)
        except Exception as error:  # what cannot be stored costs one attempt, no more
            logger.exception("an attempt's words cannot be recorded")
            self._propose(self.attempt.failed(_unspeakable(error)))
            self._finish(abort=True)
            return
        if progress.ending is not None:
            # Whoever ended the attempt itself is closed already; whoever was refused is not.
            self._finish(abort=type(messages[-1]) not in _TERMINAL)

    def notify(self, index: int, notification: Notification) -> None:
        """Forward a journal entry that became durable.

        Once the SDK was asked to suspend it hears nothing more, as on a request stream that was
        closed; the next attempt starts with what it missed.
        """
        if self._closing_since is not None:
            return
        message = self.attempt.notification(index, notification)
        if message is not None:
            self._hand_over((message,))

    def close_input(self) -> None:
        """Ask the SDK to suspend as soon as it can go no further."""
        if self._session is None or self._closing_since is not None:
            return
        self._closing_since = self._last_word = self._now()
        try:
            self._session.close_input()
        except Exception as error:  # noqa: BLE001 - as in _hand_over
            self._break_off(error)

    def overdue(self, now: float) -> bool:
        """Close or abort the attempt if it was silent for too long; True if it was aborted."""
        schema = self.attempt.schema
        silent_ms = (now - self._last_word) * 1000
        if self._closing_since is None:
            if silent_ms >= schema.inactivity_timeout_ms:
                self.close_input()
            return False
        if silent_ms < schema.abort_timeout_ms:
            return False
        problem = Problem(
            500,
            f"the handler neither progressed nor suspended within {schema.abort_timeout_ms} ms "
            "after it was asked to; raise abort_timeout if its steps take longer",
            doc_code="RT0001",
        )
        self.fail(problem)
        return True

    def fail(self, problem: Problem, retry_after_ms: int | None = None) -> None:
        """End the attempt with a failure that is not the handler's own word."""
        progress = self.attempt.lost(problem, retry_after_ms)
        if progress is not None:
            self._propose(progress)
            self._finish(abort=True)

    def abort(self) -> None:
        """End the attempt without a word: it was superseded, or the server stops."""
        if self.attempt.open:
            self.attempt.open = False
            self._finish(abort=True)

    def _hand_over(self, messages: Sequence[Message]) -> None:
        session = self._session
        assert session is not None, "an attempt hears nothing before it begins"
        self._last_word = self._now()
        try:
            session.receive(messages)
        except Exception as error:  # noqa: BLE001 - a defect outside costs one attempt, no more
            self._break_off(error)

    def _break_off(self, error: Exception) -> None:
        logger.error("an attempt's session failed", exc_info=error)
        self.fail(broken_session(error))

    def _finish(self, *, abort: bool) -> None:
        session, self._session = self._session, None
        if abort and session is not None:
            try:
                session.abort()
            except Exception:  # the attempt is over either way
                logger.exception("an attempt's session could not be aborted")
        self._ended(self)


def broken_session(error: Exception) -> Problem:
    """Describe the defect of an SDK or transport."""
    return Problem(500, f"the session failed: {error!r}", doc_code="RT0006")


def _unspeakable(error: Exception) -> Problem:
    # The error's own text quotes what cannot be stored.
    return Problem(
        500,
        f"what the handler said cannot be stored ({type(error).__name__}): texts must be valid "
        "Unicode, numbers must fit into 64 bits, and all must be of the type that belongs there",
        doc_code="RT0012",
    )
