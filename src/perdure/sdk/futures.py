"""Durable futures: what a handler awaits, and the register of all that it has not got yet.

A durable future is an ``asyncio.Future`` of the attempt's loop, so ``asyncio.gather``, ``wait``,
``as_completed``, ``shield`` and the rest take it as it is. Awaiting it directly goes through a
waiter of its own, so that a timeout which cancels the waiting task leaves the operation be: it can
be awaited again. ``future.cancel()`` gives it up for good.

:class:`Waits` keeps what is pending by handle. From it follows what the attempt waits for when it
can go no further: every pending future that somebody awaits, and every timer that still runs.
"""

from __future__ import annotations

import asyncio
from asyncio.events import _get_running_loop
from collections.abc import Callable, Collection, Generator, Iterable, Sequence
from contextvars import Context
from typing import Any, Final, Protocol, TypeVar

from msgspec import Struct

from perdure.protocol.messages import (
    Failure,
    Future,
    InvocationIdentity,
    Result,
    StateKeys,
    Value,
    Void,
)
from perdure.sdk.errors import ContextMisuseError, TerminalError
from perdure.sdk.groups import AllOf, Arrivals
from perdure.sdk.loop import AttemptLoop
from perdure.sdk.machine.handles import Handle, awaited
from perdure.sdk.refusals import Refusals

T = TypeVar("T")


#: So few waits are not worth looking through for those that are over.
PRUNED_MIN: Final = 100


class Wait(Protocol):
    """Something pending that one notification settles."""

    @property
    def awaited_alone(self) -> bool:
        """Whether somebody goes on with this alone, right now."""

    @property
    def awaited_together(self) -> Sequence[AllOf]:
        """Who waits for this and others, right now."""

    @property
    def awaited(self) -> bool:
        """Whether anything waits for it right now."""

    @property
    def is_subscribed(self) -> bool:
        """Whether somebody waits for it now and again, and says so but once."""

    @property
    def is_timeout(self) -> bool:
        """Whether it only bounds how long something else is waited for."""

    def cancelled(self) -> bool:
        """Tell whether it was given up for good."""

    def settle(self, result: Result) -> None:
        """Take the result."""

    def interrupt(self, error: Callable[[], TerminalError]) -> bool:
        """Fail whatever waits for it right now; tell whether something was told."""


class DurableFuture(asyncio.Future[T]):
    """The result of a durable operation, to be awaited in the handler that began it.

    Args:
        waits: The register of the attempt.
        handle: What the machine knows the operation by.
        decode: Reads a value; without it, the value is its bytes.
    """

    __slots__ = ("_alone", "_decode", "_number", "_together", "_waits", "handle")

    def __init__(
        self, waits: Waits, handle: Handle, decode: Callable[[bytes], Any] | None = None
    ) -> None:
        loop = waits.loop
        super().__init__(loop=loop)
        self._waits = waits
        self.handle = handle
        # What is bytes already stays as it is.
        self._decode: Callable[[bytes], Any] = bytes if decode is None else decode
        self._number = loop.next_number()
        self._alone: list[asyncio.Future[None]] = []
        self._together: list[AllOf | Arrivals] = []
        waits.add(handle, self)

    def __hash__(self) -> int:
        # By number, so that sets of futures have the same order in replay.
        return self._number

    def __await__(self) -> Generator[Any, None, T]:
        if not self.done():
            waits = self._waits
            waiter: asyncio.Future[None] = asyncio.Future(loop=waits.loop)
            self.note()
            self._keep(waiter)
            if waits.arrivals:
                waits.loop.wanted = self  # There is no need to wait if this is what has come.
            yield from waiter
        return self.result()

    __iter__ = __await__

    def add_done_callback(
        self, fn: Callable[[Any], object], /, *, context: Context | None = None
    ) -> None:
        """Call a function once this is done; so asyncio's own tools wait.

        Raises:
            ContextMisuseError: it is not the handler that asks for it.
            SdkInternalBaseException: the attempt is over, so this will never be done.
        """
        self.note()
        super().add_done_callback(fn, context=context)

    def cancel(self, msg: Any = None) -> bool:
        """Give the result up; what was begun goes on without this handler."""
        cancelled = super().cancel(msg)
        if cancelled:
            self._wake()
        return cancelled

    def watch(self, waiter: asyncio.Future[None] | AllOf | Arrivals) -> None:
        """Wake a waiter when this is done; alone, or together with others.

        Raises:
            ContextMisuseError: it is not the handler that waits.
            SdkInternalBaseException: the attempt is over, so this will never be done.
        """
        self.note()
        if isinstance(waiter, (AllOf, Arrivals)):
            self._together.append(waiter)
        else:
            self._keep(waiter)

    def _keep(self, waiter: asyncio.Future[None]) -> None:
        if self._alone:
            # What is left are waiters of tasks that gave up.
            self._alone = [each for each in self._alone if not each.done()]
        self._alone.append(waiter)

    def note(self) -> None:
        """Take note that somebody waits, or would if another were not done already.

        Raises:
            ContextMisuseError: it is not the handler that waits.
            SdkInternalBaseException: the attempt is over, so this will never be done.
        """
        waits = self._waits
        if _get_running_loop() is not waits.loop and not waits.in_vain:
            raise ContextMisuseError(
                "A durable future is awaited outside of its handler: await it in the handler, and "
                "pass the result on"
            )
        waits.note(self.handle, self)

    # ------------------------------------------------------------------ for the register

    def is_awaited_by_one(self, waiter: asyncio.Future[None]) -> bool:
        """Tell whether nobody waits for this but who has this waiter."""
        alone = self._alone
        return alone[-1] is waiter and len(alone) == 1 and not (self._together or self._callbacks)

    is_timeout = False

    @property
    def awaited_alone(self) -> bool:
        """Whether somebody goes on with this alone."""
        if self._alone and not self._alone[-1].done():
            return True  # Mostly it is whoever came last.
        if self._callbacks or any(not waiter.done() for waiter in self._alone):
            return True
        return any(group.is_enough_with_one for group in self._waiting_groups())

    @property
    def awaited_together(self) -> list[AllOf]:
        """Who waits for this and others."""
        return [group for group in self._waiting_groups() if isinstance(group, AllOf)]

    @property
    def awaited(self) -> bool:
        """Whether anything waits for it right now."""
        return self.awaited_alone or bool(self._waiting_groups())

    @property
    def is_subscribed(self) -> bool:
        """Whether somebody waits for it now and again, and says so but once."""
        return any(group.is_subscribed for group in self._together)

    def settle(self, result: Result) -> None:
        """Take the result, and wake whoever waits for it."""
        if self.done():
            return  # The handler has given it up.
        try:
            value = self._decode(result.content) if type(result) is Value else _read(result)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a serde's errors are told to who awaits
            self._fail(error)
        else:
            self.set_result(value)
        self._wake()

    def interrupt(self, error: Callable[[], TerminalError]) -> bool:
        """Fail whatever waits for it; the future itself stays, unless asyncio waits for it."""
        if not self.awaited:
            return False
        for group in self._waiting_groups():
            group.waiter.set_exception(error())
        for waiter in self._alone:
            if not waiter.done():
                waiter.set_exception(error())
        if self._callbacks:
            self._fail(error())
        return True

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, StopIteration):  # A serde's, such as next() at an end: no future's.
            error = RuntimeError(f"the result cannot be read: {error!r}")
        self.set_exception(error)
        # Not to await a result is no mistake, so nobody shall be told of it.
        self._log_traceback = False

    def _wake(self) -> None:
        for waiter in self._alone:
            if not waiter.done():
                waiter.set_result(None)
        for group in self._together:
            group.tell(self)

    def _waiting_groups(self) -> list[AllOf | Arrivals]:
        return [group for group in self._together if not group.waiter.done()]


def _read(result: Result) -> Any:
    """Give what stands for a result that is no value.

    Raises:
        TerminalError: it is a failure.
    """
    if type(result) is Void:  # A sleep that ended, a key or promise that is not there.
        return None
    match result:
        case Failure(code=code, message=message, metadata=metadata):
            raise TerminalError(message, code, dict(metadata) or None)
        case InvocationIdentity(invocation_id=invocation_id):
            return invocation_id
        case StateKeys(keys=keys):
            return [key.decode() for key in keys]
    raise AssertionError(f"a {type(result).__name__} is a value of its own")


class SleepFuture(DurableFuture[None]):
    """A sleep; its end moves the handler's logical time on."""

    __slots__ = ("_due",)

    def __init__(self, waits: Waits, handle: Handle, seconds: float) -> None:
        self._due = waits.loop.time() + seconds
        super().__init__(waits, handle)

    def settle(self, result: Result) -> None:
        """Take the sleep's end."""
        self._waits.loop.advance(self._due)
        super().settle(result)


class Waits(Struct, eq=False):
    """All that an attempt has begun and not got yet."""

    #: The attempt's loop.
    loop: AttemptLoop
    #: Notifications that wait to be handed over.
    arrivals: Collection[object]
    _pending: dict[Handle, Wait] = {}
    #: What of it was awaited at some time; a handler may begin much and wait for little.
    _watched: dict[Handle, Wait] = {}
    _prune_at: int = PRUNED_MIN
    #: Results of what the handler has not asked for yet.
    _early: dict[Handle, Result] = {}
    _over: Refusals | None = None

    @property
    def in_vain(self) -> bool:
        """Whether nothing will come, and whoever waits does not listen."""
        return self._over is not None and self._over.in_vain

    def add(self, handle: Handle, wait: Wait) -> None:
        """Register something pending; it may have been answered before it was asked for."""
        result = self._early.pop(handle, None) if self._early else None
        if result is None:
            self._pending[handle] = wait
        else:
            wait.settle(result)

    def note(self, handle: Handle, wait: Wait) -> None:
        """Take note that somebody begins to wait for it.

        Raises:
            SdkInternalBaseException: the attempt is over, and nothing will come any more.
        """
        if handle in self._pending:
            if len(self._watched) >= self._prune_at:
                self._prune()  # Before this one enters: nobody waits for it yet.
            self._watched[handle] = wait
        elif self._over is not None:
            refusal = self._over.next()
            if refusal is not None:
                raise refusal

    def settle(self, handle: Handle, result: Result) -> None:
        """Hand a result over to who waits for it, or keep it."""
        wait = self._pending.pop(handle, None)
        if wait is None:
            # The first answer counts, should an awakeable be completed twice.
            self._early.setdefault(handle, result)
            return
        self._watched.pop(handle, None)
        wait.settle(result)

    def was_awaited(self, handle: Handle) -> bool:
        """Tell whether somebody has awaited what is pending, be it that they gave up since."""
        wait = self._pending.get(handle)
        return handle in self._watched or (wait is not None and wait.cancelled())

    def is_given_up(self, handle: Handle) -> bool:
        """Tell whether somebody has awaited what is pending, and nobody does any more."""
        wait = self._pending.get(handle)
        if wait is None or wait.awaited or wait.is_subscribed:
            return False
        return self.was_awaited(handle)

    def interrupt(self, error: Callable[[], TerminalError]) -> bool:
        """Fail everything that is awaited right now; tell whether there was anything to fail."""
        told = [wait.interrupt(error) for wait in self._watched.values()]
        return any(told)

    @property
    def watched(self) -> int:
        """How much of it is awaited, at most."""
        return len(self._watched)

    def any_awaited(self, *, but_timeouts: bool) -> bool:
        """Tell whether anything pending is awaited right now.

        Args:
            but_timeouts: Whether a timeout does not count, as it bounds a wait for the outside.
        """
        watched = self._watched.values()
        return any(wait.awaited and not (but_timeouts and wait.is_timeout) for wait in watched)

    def awaited(self, others: Iterable[Handle] = ()) -> Future:
        """Say what the attempt waits for, with further handles of which one is enough."""
        alone = list(others)
        groups: dict[AllOf, list[Handle]] = {}
        for handle, wait in self._watched.items():
            if wait.awaited_alone:
                alone.append(handle)
            for group in wait.awaited_together:
                groups.setdefault(group, []).append(handle)
        return awaited(alone, groups.values())

    def close(self, over: Refusals) -> None:
        """Let go of everything: the attempt is over, as whoever still waits will be told."""
        self._over = over
        self._pending.clear()
        self._watched.clear()
        self._early.clear()

    def _prune(self) -> None:
        """Drop what was awaited and no longer is, such as the timers of timeouts that went well.

        It is due whenever their number has doubled, so that it costs little in the long run.
        """
        self._watched = {
            handle: wait
            for handle, wait in self._watched.items()
            if wait.awaited or wait.is_subscribed
        }
        self._prune_at = max(PRUNED_MIN, 2 * len(self._watched))
