"""An event loop of its own for each attempt: small, and the same in every attempt.

It has one queue of callbacks and no clock. :meth:`AttemptLoop.run_ready` runs the queue until it
is empty, synchronously, from within a callback of the real loop; then the handler has gone exactly
as far as it can go, and the attempt hands over the next result. Because nothing else ever wakes
the handler's code, plain ``asyncio.gather``, ``wait``, ``timeout`` and ``TaskGroup`` repeat in
replay what they did before.

Time is logical: it stands still, and is moved on by the timers that fire. A timer is a durable
sleep, so ``asyncio.sleep`` and ``asyncio.timeout`` survive the process.

What comes from outside, such as a future that a thread's result completes, enters by ``call_soon``
while the queue is at rest; the loop then asks to be run (``wake``).
"""

from __future__ import annotations

import asyncio
import logging
import sys
from asyncio.events import _get_running_loop, _set_running_loop
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, Final

from perdure.sdk.callbacks import ReadyHandle
from perdure.sdk.foreign import Driven
from perdure.sdk.numbered import AttemptFuture, AttemptTask, number_before
from perdure.sdk.owners import NOBODY, Owner
from perdure.sdk.real_io import RealLoopIO, Ts
from perdure.sdk.siblings import siblings_of
from perdure.sdk.timers import DurableTimer

#: So many callbacks are run at a time: a handler that spins must not stop the process.
CALLBACKS_MAX: Final = 10_000


def _no_more() -> bool:
    """Bring no new callbacks about."""
    return False


_logger = logging.getLogger(__name__)


def _begun(given: object) -> str:
    """Say what to do with a future that is given where a coroutine belongs."""
    if not isinstance(given, asyncio.Future):
        return ""
    return ": it has begun already, so await it as it is, or give it to asyncio.gather"


class AttemptLoop(RealLoopIO):
    """The event loop of one attempt.

    Args:
        real: The loop that does input and output.
        owner: The attempt, which runs it.
    """

    # What an attempt begins with is the class's: there is a loop for each attempt.
    _running = False
    #: Whether the queue is being looked after, so that there is no need to ask for it.
    attended = False
    _wake_is_due = False
    _now = 0.0
    _main: asyncio.Task[Any] | None = None
    _over = False
    _why: Callable[[], asyncio.CancelledError] | None = None
    #: Tasks that were made together with a sibling, until they are asked for.
    _early: dict[Any, asyncio.Task[Any]] | None = None
    #: Number of what the handler has created last.
    _number = 0
    #: The durable future that a task is about to wait for, if any result is there.
    wanted: Any = None

    def __init__(self, real: asyncio.AbstractEventLoop, owner: Owner) -> None:
        self.real = real
        #: The context variables of who opened the attempt. What calls back later on is called with
        #: these: a handler's own must not be carried away to other invocations.
        self.outside = copy_context()
        #: What becomes of the generators of who opened the attempt.
        self._hooks = sys.get_asyncgen_hooks()
        self._owner = owner
        self._ready: deque[asyncio.Handle] = deque()
        self._tasks: set[asyncio.Task[Any]] = set()

    # ------------------------------------------------------------------ running

    def attend(self) -> None:
        """Learn that the queue is being looked after, so that nothing need be asked for."""
        self.attended = True
        # Also if nothing is there to run: what comes later must be able to ask again.
        self._wake_is_due = False

    def leave(self) -> None:
        """Learn that whatever enters the queue from now on must be asked for."""
        self.attended = False
        if self._ready:
            self._ask_to_be_run()

    @property
    def idle(self) -> bool:
        """Whether there is nothing to run."""
        return not self._ready

    def run_ready(self, more: Callable[[], bool]) -> bool:
        """Run callbacks until none is left; tell whether that was reached within the bound.

        Args:
            more: Called on this loop, whenever none is left; tells whether it has brought new ones
                about, to be run within a bound of their own.
        """
        ready = self._ready
        outer, (firstiter, finalizer) = _get_running_loop(), self._hooks
        _set_running_loop(self)
        sys.set_asyncgen_hooks(None, self._finalize_generator)
        self._running = True
        try:
            while self._drain(ready) and more():
                pass
        finally:
            self._running = False
            sys.set_asyncgen_hooks(firstiter, finalizer)
            _set_running_loop(outer)
        return not ready

    def _drain(self, ready: deque[asyncio.Handle]) -> bool:
        """Run what is in the queue; tell whether it is empty, and the bound was not reached."""
        left = CALLBACKS_MAX
        while ready and left:
            left -= 1
            handle: Any = ready.popleft()
            if handle._cancelled:  # noqa: SLF001 - as asyncio's own loops do
                continue
            # What its method does, which would be one frame more for each step of each task.
            try:
                handle._context.run(handle._callback, *handle._args)  # noqa: SLF001 - likewise
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # noqa: BLE001 - as asyncio's own loops do
                what = f"Exception in callback {handle!r}"
                self.call_exception_handler({"message": what, "exception": error})
        return not ready

    def give(self, waiter: Any) -> bool:
        """Complete what a task has stopped at, if its result is next; tell whether that is so.

        Nothing else is to be done then, so the task would be the next to go on in any case. Only
        what it takes to let it wait, and to wake it, is left out: much of what a replay takes.
        """
        wanted, self.wanted = self.wanted, None
        if self._ready:
            return False
        task: Any = asyncio.current_task(self)
        # A task that has asked for its own cancellation is told of that where it stops.
        if task is None or task._must_cancel:  # noqa: SLF001 - nothing public tells it
            return False
        return self._owner.hand_over_to(wanted, waiter)

    def advance(self, when: float) -> None:
        """Move the logical time on; never back."""
        self._now = max(self._now, when)

    def enqueue(self, handle: asyncio.Handle) -> None:
        """Add a callback to the queue."""
        self._ready.append(handle)
        if not self.attended:
            self._ask_to_be_run()

    def bridge_settled(self) -> None:
        """Learn that a foreign future is done; somebody may have waited for just that."""
        super().bridge_settled()
        if not self.attended:
            self._ask_to_be_run()

    def shut_down(self, why: Callable[[], asyncio.CancelledError] | None = None) -> None:
        """Cancel the tasks that are left, and let them clean up as far as they can now.

        Args:
            why: Makes the error that they see, if it is not to be that of any task's end.
        """
        self._over = True
        self._why = why
        main, self._main = self._main, None
        if main is not None and not main.done():
            main.cancel()
        if self._tasks:
            # In the order of their creation, so that cleaning up is repeatable too.
            for task in sorted(self._tasks, key=hash):
                task.cancel()
        if self._ready:
            self.run_ready(_no_more)
        if not self._tasks and (main is None or main.done()):
            # Nobody is left to wake. Without these an attempt's objects are freed at once, where
            # otherwise the garbage collector would have to find them.
            self._owner, self.wanted = NOBODY, None

    def told(self, error: BaseException) -> BaseException:
        """Give what a task is told: that its attempt is over, and not only that it is cancelled."""
        if self._why is None or type(error) is not asyncio.CancelledError:
            return error
        return self._why()

    def _ask_to_be_run(self) -> None:
        if not self._wake_is_due:
            self._wake_is_due = True
            self.real.call_soon(self._owner.progress, context=self.outside)

    # ------------------------------------------------------------------ scheduling

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Queue a callback."""
        handle = ReadyHandle(callback, args, self, context)
        self._ready.append(handle)
        if not self.attended:
            self._ask_to_be_run()
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Queue a callback from any thread."""
        handle = ReadyHandle(callback, args, self, context)
        self.real.call_soon_threadsafe(self.enqueue, handle)
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back after so many seconds, by a durable sleep."""
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back at a logical time, by a durable sleep."""
        timer = DurableTimer(when, callback, args, self, context)
        if when <= self._now:
            self.enqueue(timer)
        elif self._running:
            self._owner.arm(timer, when - self._now)
        else:
            # Set by a callback of the real loop, not by the handler: no part of its journal.
            self.real.call_later(when - self._now, self.enqueue, timer)
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Let a cancelled timer be: its sleep ends in nothing."""

    def time(self) -> float:
        """Give the logical time in seconds."""
        return self._now

    def next_number(self) -> int:
        """Number what the handler creates, in the order of creation."""
        self._number += 1
        return self._number

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future of this loop."""
        return AttemptFuture(self.next_number(), self)

    def create_task(
        self,
        coro: Any,
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        """Start a task; it may await futures of other loops too."""
        if not asyncio.iscoroutine(coro):
            raise TypeError(f"a coroutine was expected, got {coro!r}{_begun(coro)}")
        if self._early is not None and coro in self._early:
            return self._early.pop(coro)
        siblings = siblings_of(coro, sys._getframe(1))  # noqa: SLF001 - who asks decides
        if not siblings:
            return self._new_task(coro, name, context)
        self._early = {each: self._new_task(each) for each in siblings}
        return self._early.pop(coro)

    def _new_task(
        self, coro: Any, name: str | None = None, context: Context | None = None
    ) -> AttemptTask:
        work = Driven(coro, self, self.next_number())
        task = AttemptTask(work, loop=self, name=name, context=context)
        self._keep(task)
        return task

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def start(self, main: Coroutine[Any, Any, None], invocation: bytes) -> None:
        """Start the handler's own task.

        Args:
            main: Runs the handler.
            invocation: The invocation's id, which is the same in each of its attempts.
        """
        assert self._main is None
        self._number = number_before(invocation)
        work = Driven(main, self, self.next_number())
        # Without a name of its own a task is given a number, which takes longer than the rest.
        self._main = AttemptTask(work, loop=self, name="handler")

    def _finalize_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        if self._over or self.real.is_closed():
            return
        if _get_running_loop() is self:
            # Garbage is found at any time, so this must not take a number from what comes next.
            work = Driven(generator.aclose(), self)
            self._keep(asyncio.Task(work, loop=self))
        else:
            # Collected as garbage, at any time and in any thread.
            self.call_soon_threadsafe(self._finalize_generator, generator)

    # ------------------------------------------------------------------ the rest of a loop

    def is_running(self) -> bool:
        """Tell whether callbacks are being run."""
        return self._running

    def is_closed(self) -> bool:
        """Tell that the loop takes callbacks: cleaning up may take longer than the attempt."""
        return False

    #: Tells that debugging aids are off; a function of C, since each task and future asks.
    get_debug = False.__bool__

    def get_task_factory(self) -> None:
        """Tell that tasks are made here."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Report an error that nobody handles; one of an attempt that is over, quietly."""
        if not self._over:
            self.real.call_exception_handler(context)
            return
        message, error = context.get("message"), context.get("exception")
        _logger.debug("After the end of an attempt: %s", message, exc_info=error)
