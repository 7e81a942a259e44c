"""An event loop whose clock jumps: where nothing is left to do, it is already later.

What waits for an hour waits for no time at all, and a test in which everybody waits for ever fails
at once instead of hanging.
"""

from __future__ import annotations

import asyncio
import inspect
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

#: A day in November 2023, in milliseconds since 1970.
EPOCH_MS = 1_700_000_000_000


class JumpingSelector(selectors.SelectSelector):
    """Never waits: what it was to wait for, it adds to the time."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None):
        ready = super().select(0)
        if not ready and timeout is None:
            raise AssertionError("everybody waits, and nothing will ever happen")
        if not ready and timeout:
            self.now_s += timeout
        return ready


class SameThread(ThreadPoolExecutor):
    """Does in this thread, and at once, what was to be done in another."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - handed on to whoever waits
            future.set_exception(error)
        return future


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time, without threads."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)
        self.set_default_executor(SameThread())
        # Sums of small steps must not end just short of the moment that they were to reach.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        return self._jumping.now_s

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:
        """Do it here, whichever threads it was meant for."""
        return super().run_in_executor(None, func, *args)

    def jump(self, seconds: float) -> None:
        """Let time pass at once, as when the loop is held up."""
        self._jumping.now_s += seconds


class VirtualClock:
    """The port ``Clock`` on the running virtual loop; the time of day may be set."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.set_by_ms = 0
        self._drawn = 0

    def now_ms(self) -> int:
        return EPOCH_MS + round(self._loop.time() * 1000) + self.set_by_ms

    def chance(self) -> float:
        return 0.0

    def random_bytes(self, count: int) -> bytes:
        self._drawn += 1
        return self._drawn.to_bytes(count, "little")


def run_virtually(scenario: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(scenario)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test in virtual time; leave others to pytest."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    run_virtually(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True
