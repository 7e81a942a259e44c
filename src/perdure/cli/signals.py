"""How a process hears that it is to stop, until there is nothing left to do but leave.

Not by what event loops have for it. As a loop closes, it lets a signal end the process again: one
that comes late, when everything is written, would make a failure of a stop that went well. And what
wakes a loop is shared with processes that are forked off: a signal to one of those, as pools of
processes send it, would be taken for one to this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Final

#: What asks a process to stop.
_NUMBERS: Final = (signal.SIGINT, signal.SIGTERM)
#: Which signals a thread that forks held back before that.
_forking: Final = threading.local()


class _Teller:
    """Tells the event loop of a signal, in whatever the signal interrupts."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_signal: Callable[[signal.Signals], None]
    ) -> None:
        self._loop = loop
        self._on_signal = on_signal

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed, and the process leaves
            self._loop.call_soon_threadsafe(self._on_signal, signal.Signals(number))


def hear_signals(on_signal: Callable[[signal.Signals], None]) -> None:
    """Have the running event loop told of signals that ask to stop. For the main thread.

    Args:
        on_signal: called by the loop for each, until it closes.
    """
    loop = asyncio.get_running_loop()
    teller = _Teller(loop, on_signal)
    if sys.platform != "win32" and isinstance(loop, asyncio.SelectorEventLoop):
        _wake(loop)
    for number in _NUMBERS:
        signal.signal(number, teller)
        if sys.platform != "win32":
            signal.siginterrupt(number, False)  # what the disk is asked for goes on
    _watch_forks()


def _wake(loop: asyncio.SelectorEventLoop) -> None:
    """Have signals wake a loop, as others do by themselves: one may come as it begins to wait."""
    reader, writer = os.pipe()  # for as long as there is a process
    for each in (reader, writer):
        os.set_blocking(each, False)
    loop.add_reader(reader, _drain, reader)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)


def _drain(reader: int) -> None:
    with contextlib.suppress(BlockingIOError):  # a loop that was left, and goes on, may tell twice
        os.read(reader, 1024)


def ignore_signals() -> None:
    """Let signals do nothing from now on, if they were heard: the process leaves already."""
    _replace(dict.fromkeys(_NUMBERS, signal.SIG_IGN))


@functools.cache  # what is registered is so for good
def _watch_forks() -> None:
    if sys.platform != "win32":
        os.register_at_fork(before=_hold, after_in_parent=_release, after_in_child=_let_go)


def _hold() -> None:
    """Have signals wait in this thread, which forks: Python forgets what a child gets early."""
    if sys.platform != "win32":
        _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, _NUMBERS)


def _release() -> None:
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _let_go() -> None:
    """Be a process that was forked off: whoever made it can end it.

    A Ctrl-C on the terminal, which reaches it as well, is the server's: what a step does there has
    its time to end.
    """
    _replace({signal.SIGINT: _do_nothing, signal.SIGTERM: signal.SIG_DFL})
    _release()


_Handler = Callable[[int, FrameType | None], object] | signal.Handlers


def _replace(handlers: dict[signal.Signals, _Handler]) -> None:
    for number, handler in handlers.items():
        # An application may have handlers of its own, which know better.
        if isinstance(signal.getsignal(number), _Teller):
            signal.signal(number, handler)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    pass
