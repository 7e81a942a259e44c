"""The event loop of a command that serves, and how it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from perdure.cli.errors import EXIT_SERVER
from perdure.cli.signals import hear_signals, ignore_signals
from perdure.cli.streams import say
from perdure.server.open_files import raise_limit

#: How long a stop may take beyond what its own limit allows, in seconds. It only does when
#: something that cannot be interrupted, such as a disk, does not answer.
STUCK_S: Final = 5.0
#: Steps that are ordinary functions and run at the same time. They mostly wait for something, so
#: that their number has nothing to do with that of processors, which is what Python goes by.
THREADS_MAX: Final = 64
LOG_FORMAT: Final = "%(levelname)s %(name)s: %(message)s"


class Watchdog:
    """Ends the process when a stop does not come to its end, which is that of the process.

    Args:
        limit_s: how long a stop may take, in seconds.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._timer: threading.Timer | None = None

    def watch(self) -> None:
        """Begin to count, unless that was begun: the process stops."""
        if self._timer is not None:
            return
        # A thread, for the event loop may be what is stuck.
        self._timer = threading.Timer(self._limit_s, self._leave)
        self._timer.daemon = True
        self._timer.start()

    def _leave(self) -> None:
        say(
            f"error: the stop has not come to its end within {self._limit_s:g} s: the disk or the "
            "application does not answer. Leaving all the same; what was acknowledged is durable"
        )
        os._exit(EXIT_SERVER)


class UnwaitedThreads(ThreadPoolExecutor):
    """Threads for steps that are ordinary functions: nothing can end one, and nobody waits for it.

    What it does is not acknowledged, so that it is done again after the next start.
    """

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:  # noqa: ARG002 - as it is asked for
        """Take nothing more, and do not wait for what is under way."""
        super().shutdown(wait=False, cancel_futures=cancel_futures)


class TimedLines(logging.Formatter):
    """Puts the time before each line, in UTC, as RFC 3339 has it.

    Args:
        line: the rest of the line.
    """

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, line: str = LOG_FORMAT) -> None:
        super().__init__("%(asctime)s " + line)


def show_log(*, times: bool, partition: int | None = None) -> None:
    """Write what is logged to stderr, unless the application decided otherwise; load it before.

    Args:
        times: whether with the time: for who reads it later.
        partition: which one this process leads, if it is to be told.
    """
    line = LOG_FORMAT if partition is None else f"partition {partition} {LOG_FORMAT}"
    printer = logging.StreamHandler()
    printer.setFormatter(TimedLines(line) if times else logging.Formatter(line))
    logging.basicConfig(level=logging.INFO, handlers=[printer])
    # An application that configures its own loggers disables all others by default, those that were
    # there before it was loaded: failures of its handlers would be told to nobody.
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("perdure.") and isinstance(logger, logging.Logger):
            logger.disabled = False


def run(main: Callable[[], Coroutine[Any, Any, None]], watchdog: Watchdog | None = None) -> None:
    """Run on the fastest event loop there is, and leave after that.

    Args:
        main: what to run.
        watchdog: bounds the end.
    """
    raise_limit()
    with leaving(watchdog):
        _run(main)


@contextlib.contextmanager
def leaving(watchdog: Watchdog | None = None) -> Iterator[None]:
    """Let signals do nothing after an event loop, when the process has only to leave.

    Args:
        watchdog: bounds what an application does as the process ends, which no signal does then.
    """
    try:
        yield
    finally:
        ignore_signals()
        if watchdog is not None:
            watchdog.watch()


def _run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def with_threads() -> None:
        asyncio.get_running_loop().set_default_executor(UnwaitedThreads(THREADS_MAX))
        await main()

    try:
        import uvloop  # noqa: PLC0415 - there is none for Windows
    except ImportError:
        asyncio.run(with_threads())
    else:
        try:
            uvloop.run(with_threads())
        except RuntimeError as error:
            # A loop that a callback left, as `asked` does, may refuse to run its own clean-up.
            if isinstance(error.__context__, SystemExit):
                raise error.__context__ from None
            raise


def stop_signal(
    watchdog: Watchdog | None = None, *, supervised: bool = False
) -> asyncio.Future[Any]:
    """Give a future that is done when the process is asked to stop; asked twice, it exits.

    Args:
        watchdog: bounds the stop.
        supervised: whether that is up to a parent, which passes signals on.
    """
    stop: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    heed_signals(stop, watchdog, supervised=supervised)
    return stop


def heed_signals(
    stop: asyncio.Future[Any], watchdog: Watchdog | None, *, supervised: bool = False
) -> None:
    """Stop when the process is asked to; asked twice, it exits.

    Args:
        stop: done from then on.
        watchdog: bounds the stop.
        supervised: whether the latter is up to a parent, which passes signals on: where all
            processes are sent one, this process gets it twice.
    """
    heard = False

    def asked(number: signal.Signals) -> None:
        nonlocal heard
        # Not whether the stop has begun: where all processes of a server are sent a signal, another
        # one may have asked for it before.
        if heard and not supervised:
            # What is acknowledged is durable: leaving at once costs only time at the next start.
            sys.exit(128 + number)
        heard = True
        begin_to_stop(stop, watchdog)

    hear_signals(asked)


def begin_to_stop(stop: asyncio.Future[Any], watchdog: Watchdog | None) -> None:
    """Stop, unless that was begun.

    Args:
        stop: done from then on.
        watchdog: bounds the stop.
    """
    if stop.done():
        return
    say("stopping; once more to leave at once")
    if watchdog is not None:
        watchdog.watch()
    stop.set_result(None)
