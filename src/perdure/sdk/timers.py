"""Timers of an attempt's loop: callbacks that durable sleeps call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any, Final, Protocol, cast

from perdure.protocol.messages import Result
from perdure.sdk.errors import TerminalError

#: How ``asyncio.wait``, and ``wait_for`` before Python 3.12, end what they wait with.
_RELEASE_WAITER: Final[Any] = getattr(asyncio.tasks, "_release_waiter", None)


class TimedLoop(Protocol):
    """The loop whose timers these are."""

    def advance(self, when: float) -> None:
        """Move the logical time on; never back."""

    def enqueue(self, handle: asyncio.Handle) -> None:
        """Have a callback called in its turn."""


class DurableTimer(asyncio.TimerHandle):
    """A callback that a durable sleep calls: ``asyncio.sleep`` and its like."""

    __slots__ = ("_owner", "_sleeper")

    def __init__(
        self,
        when: float,
        callback: Callable[..., object],
        args: Sequence[Any],
        owner: TimedLoop,
        context: Context | None,
    ) -> None:
        super().__init__(when, callback, args, cast("asyncio.AbstractEventLoop", owner), context)
        self._owner = owner
        #: What the callback completes, if that is what somebody waits for.
        self._sleeper: asyncio.Future[Any] | None = None
        if args and isinstance(args[0], asyncio.Future) and callback is not _RELEASE_WAITER:
            self._sleeper = args[0]

    def settle(self, _result: Result) -> None:
        """Take the sleep's end."""
        self._owner.advance(self.when())
        if not self._cancelled:
            self._owner.enqueue(self)

    @property
    def awaited(self) -> bool:
        """Whether anything still waits for it."""
        return not self._cancelled

    #: Nobody waits for a timer together with others.
    awaited_together = ()
    awaited_alone = awaited
    is_subscribed = False

    @property
    def is_timeout(self) -> bool:
        """Whether it only bounds how long something else is waited for."""
        return self._sleeper is None

    def interrupt(self, error: Callable[[], TerminalError]) -> bool:
        """Fail the future that the callback would complete; there is none behind a timeout."""
        sleeper = self._sleeper
        if self._cancelled or sleeper is None or sleeper.done():
            return False
        sleeper.set_exception(error())
        self.cancel()
        return True
