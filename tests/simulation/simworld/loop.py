"""One thread, one clock, many processes: event loops that share a queue and can die.

Each simulated process has a loop of its own. All callbacks of all loops stand in one queue, so
their order follows from the seed alone; where nothing is ready it is already later. A loop that is
killed takes its callbacks, timers and tasks with it: nothing of them ever runs again.
"""

from __future__ import annotations

import asyncio
import heapq
import inspect
from asyncio.events import _get_running_loop, _set_running_loop
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from itertools import count
from random import Random
from typing import Any

from simulated_disk import PowerCut

#: Callbacks at one instant: more than any process has to do before it waits for something.
CALLBACKS_AT_ONCE_MAX = 50_000


class SpinningError(AssertionError):
    """Somebody is busy for ever without waiting for anything."""


class Soon(asyncio.Handle):
    """A callback in the queue, without asyncio's debugging aids."""

    __slots__ = ()

    def __init__(self, callback, args, loop, context) -> None:
        self._context = copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None


class Later(asyncio.TimerHandle):
    """A callback in the queue of what has its time, without asyncio's debugging aids."""

    __slots__ = ()

    def __init__(self, when, callback, args, loop, context) -> None:
        self._context = copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None
        self._when = when
        self._scheduled = False


class Scheduler:
    """The time, and everything that is to happen at one."""

    def __init__(self) -> None:
        self.now_s = 0.0
        #: Called after each callback that counts, with the loop that ran it.
        self.after: Callable[[SimLoop], None] | None = None
        #: Whether the callback that runs now does not count.
        self.uncounted = False
        self._ready: deque[asyncio.Handle] = deque()
        self._timed: list[tuple[float, int, asyncio.Handle]] = []
        self._numbers = count()
        #: Callbacks that may still run before time has to go on.
        self._left = CALLBACKS_AT_ONCE_MAX

    def time(self) -> float:
        """Give the time since the beginning, in seconds."""
        return self.now_s

    def soon(self, handle: asyncio.Handle) -> None:
        self._ready.append(handle)

    def at(self, when_s: float, handle: asyncio.Handle) -> None:
        heapq.heappush(self._timed, (when_s, next(self._numbers), handle))

    def run(self, until_s: float, stop: Callable[[], bool]) -> None:
        """Let things happen until a moment, or until told to stop."""
        outer = _get_running_loop()
        try:
            while not stop():
                self._run_ready()
                if not self._timed or self._timed[0][0] > until_s:
                    self.now_s = max(self.now_s, until_s)
                    return
                when_s, _, handle = heapq.heappop(self._timed)
                if when_s > self.now_s:
                    self.now_s = when_s
                    self._left = CALLBACKS_AT_ONCE_MAX
                self._ready.append(handle)
        finally:
            _set_running_loop(outer)

    def forget(self) -> None:
        """Drop what is left; the world is over."""
        self._ready.clear()
        self._timed.clear()

    def _put_off(self, handle: asyncio.Handle, loop: SimLoop) -> None:
        """Keep what cannot run now, if it ever can: its process is frozen."""
        if loop.alive and not (handle._cancelled or loop.runs):
            self.at(loop.thaws_at_s, handle)

    def _run_ready(self) -> None:
        ready, after, running = self._ready, self.after, None
        while ready:
            handle = ready.popleft()
            loop = handle._loop
            if handle._cancelled or not loop.runs:
                self._put_off(handle, loop)
                continue
            self._left -= 1
            if not self._left:
                raise SpinningError(f"time stands still at {self.now_s:.6f} s: {handle!r}")
            if loop is not running:
                _set_running_loop(loop)
                running = loop
            try:
                handle._context.run(handle._callback, *handle._args)
            except PowerCut:
                loop.killed()
            except Exception as error:  # noqa: BLE001 - as any loop does
                loop.call_exception_handler({"message": repr(handle), "exception": error})
            if self.uncounted:
                self.uncounted = False
            elif after is not None:
                after(loop)


class SimLoop(asyncio.AbstractEventLoop):
    """The event loop of one simulated process."""

    def __init__(
        self, scheduler: Scheduler, random: Random, complain: Callable[[str, Any], None]
    ) -> None:
        self.alive = True
        #: Whether callbacks are run: those of a frozen process wait.
        self.runs = True
        self.thaws_at_s = 0.0
        self.scheduler = scheduler
        #: Called when the power is cut while a callback runs.
        self.on_power_cut: Callable[[], None] | None = None
        self._random = random
        self._complain = complain
        self._begun: list[Coroutine[Any, Any, Any]] = []

    def bury(self) -> None:
        """Close what was to begin when the process died: nobody forgot to await it."""
        begun, self._begun = self._begun, []
        for coroutine in begun:
            if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                coroutine.close()

    def freeze(self, seconds: float) -> None:
        """Let nothing of this process happen until it thaws, which is after so many seconds."""
        self.runs = False
        self.thaws_at_s = self.scheduler.now_s + seconds

    def thaw(self) -> None:
        """Go on as if nothing had been."""
        self.runs = self.alive

    def kill(self) -> None:
        """Let nothing of this process happen any more."""
        self.alive = self.runs = False

    def killed(self) -> None:
        self.kill()
        if self.on_power_cut is not None:
            self.on_power_cut()

    # -- What asyncio, the engine and the SDK use

    def call_soon(self, callback, *args, context: Context | None = None) -> asyncio.Handle:
        handle = Soon(callback, args, self, context)
        if self.alive:
            self.scheduler.soon(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(self, delay, callback, *args, context=None) -> asyncio.TimerHandle:
        return self.call_at(self.scheduler.now_s + delay, callback, *args, context=context)

    def call_at(self, when, callback, *args, context=None) -> asyncio.TimerHandle:
        handle = Later(when, callback, args, self, context)
        if self.alive:
            self.scheduler.at(when, handle)
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """The queue passes it by when its time comes."""

    def time(self) -> float:
        return self.scheduler.now_s

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
        self._begun.append(coro)
        return asyncio.Task(coro, loop=self, **options)

    def run_in_executor(self, executor, func, *args) -> asyncio.Future[Any]:
        """Do it later, in no thread; the result comes later still."""
        future = self.create_future()
        self.call_later(self._random.uniform(0, 0.002), self._execute, future, func, args)
        return future

    def _execute(self, future: asyncio.Future[Any], func, args) -> None:
        if future.cancelled():
            return
        _set_running_loop(None)
        try:
            result, error = func(*args), None
        except Exception as raised:  # noqa: BLE001 - handed on to whoever waits
            result, error = None, raised
        finally:
            _set_running_loop(self)
        delay = self._random.uniform(0, 0.002)
        self.call_later(delay, _settle, future, result, error)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return _get_running_loop() is self

    def is_closed(self) -> bool:
        return not self.alive

    def get_task_factory(self) -> None:
        return None

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if self.alive:
            self._complain(context.get("message", ""), context.get("exception"))


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
