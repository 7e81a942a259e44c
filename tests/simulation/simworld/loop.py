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

from msgspec import Struct
from simulated_disk import PowerCut

#: Callbacks at one instant: more than any process has to do before it waits for something.
CALLBACKS_AT_ONCE_MAX = 50_000


class SpinningError(AssertionError):
    """Somebody is busy for ever without waiting for anything."""


class Callback(Struct, eq=False):
    """A callback in a queue: what of :class:`asyncio.TimerHandle` anybody uses, made in C."""

    context: Context
    callback: Callable[..., Any] | None
    args: tuple[Any, ...]
    loop: SimLoop
    at_s: float = 0.0
    is_cancelled: bool = False

    def cancel(self) -> None:
        """Let it not happen, and keep nothing alive for it."""
        self.is_cancelled = True
        self.callback, self.args = None, ()

    def cancelled(self) -> bool:
        return self.is_cancelled

    def when(self) -> float:
        return self.at_s


class Scheduler:
    """The time, and everything that is to happen at one."""

    def __init__(self) -> None:
        self.now_s = 0.0
        #: Whether the callback that runs now does not count.
        self.uncounted = False
        self.ready: deque[Callback] = deque()
        #: The loop of the process that does something just now.
        self.running: SimLoop | None = None
        self._timed: list[tuple[float, int, Callback]] = []
        self._numbers = count()
        #: Callbacks that may still run before time has to go on.
        self._left = CALLBACKS_AT_ONCE_MAX

    def time(self) -> float:
        """Give the time since the beginning, in seconds."""
        return self.now_s

    def at(self, when_s: float, callback: Callback) -> None:
        """Let something happen when its time has come."""
        heapq.heappush(self._timed, (when_s, next(self._numbers), callback))

    def run(self, until_s: float, stop: Callable[[], bool]) -> None:
        """Let things happen until a moment, or until told to stop."""
        outer = _get_running_loop()
        try:
            while not stop():
                self._run_ready()
                if not self._timed or self._timed[0][0] > until_s:
                    self.now_s = max(self.now_s, until_s)
                    return
                when_s, _, callback = heapq.heappop(self._timed)
                if when_s > self.now_s:
                    self.now_s = when_s
                    self._left = CALLBACKS_AT_ONCE_MAX
                self.ready.append(callback)
        finally:
            _set_running_loop(outer)

    def forget(self) -> None:
        """Drop what is left; the world is over."""
        self.ready.clear()
        self._timed.clear()
        self.running = None

    def _put_off(self, callback: Callback) -> None:
        """Keep what cannot run now, if it ever can: its process is frozen."""
        loop = callback.loop
        if loop.alive and not (callback.is_cancelled or loop.runs):
            self.at(loop.thaws_at_s, callback)

    def _run_ready(self) -> None:
        ready, running = self.ready, None
        while ready:
            callback = ready.popleft()
            loop = callback.loop
            if callback.is_cancelled or not loop.runs:
                self._put_off(callback)
                continue
            self._left -= 1
            if not self._left:
                raise SpinningError(f"time stands still at {self.now_s:.6f} s: {callback!r}")
            if loop is not running:
                _set_running_loop(loop)
                self.running = running = loop
            try:
                callback.context.run(callback.callback, *callback.args)
            except PowerCut:
                loop.killed()
            except Exception as error:  # noqa: BLE001 - as any loop does
                loop.call_exception_handler({"message": repr(callback), "exception": error})
            if self.uncounted:
                self.uncounted = False
            elif loop.after is not None:
                loop.after()


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
        #: Called after each callback that counts.
        self.after: Callable[[], None] | None = None
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

    def call_soon(self, callback, *args, context: Context | None = None) -> Any:
        context = copy_context() if context is None else context
        entry = Callback(context, callback, args, self)
        if self.alive:
            self.scheduler.ready.append(entry)
        return entry

    call_soon_threadsafe = call_soon

    def call_later(self, delay, callback, *args, context: Context | None = None) -> Any:
        return self._call_at(self.scheduler.now_s + delay, callback, args, context)

    def call_at(self, when, callback, *args, context: Context | None = None) -> Any:
        return self._call_at(when, callback, args, context)

    def _call_at(self, when, callback, args, context: Context | None) -> Callback:
        context = copy_context() if context is None else context
        entry = Callback(context, callback, args, self, when)
        if self.alive:
            self.scheduler.at(when, entry)
        return entry

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

    async def create_unix_connection(self, factory: Callable[[], Any], *, sock: Any) -> None:
        """Begin with a socket that is connected, which is a simulated one."""
        sock.connect(self, factory())

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
