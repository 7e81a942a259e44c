"""Syncs that the kernel makes in the background: the event loop goes on, and no thread waits.

A thread that calls fdatasync wants the interpreter's lock before the call and after it, and takes
it from the event loop, which wants it back; a batch then costs half a millisecond of both. Linux
takes a sync as a request (``IOCB_CMD_FDSYNC`` of io_submit(2), from 4.18 on), and a descriptor that
becomes readable tells that it is done. Other systems, and containers that forbid it, have threads.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from caio.abstract import AbstractOperation
    from caio.linux_aio import Context

#: Told how a sync ended.
Synced = Callable[[OSError | None], None]

#: The kernel's results are signed, and come as if they were not.
_UNSIGNED: Final = 1 << 64
#: For how long one look for a result may take, in whole seconds.
_LOOK_S: Final = 1


class KernelSync:
    """Has the kernel sync files, one at a time, and tells on the event loop how that ended."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        context: Context,
        fdsync: Callable[[int], AbstractOperation],
    ) -> None:
        self._loop = loop
        self._context = context
        self._fdsync = fdsync
        self._results: list[int] = []
        self._done: Synced | None = None
        os.set_inheritable(context.fileno, False)
        loop.add_reader(context.fileno, self._look)

    @classmethod
    def open(cls, loop: asyncio.AbstractEventLoop) -> KernelSync | None:
        """Prepare for syncs; None where the system or the event loop cannot do that."""
        try:
            from caio import linux_aio  # noqa: PLC0415 - there is none on other systems

            return cls(loop, linux_aio.Context(max_requests=1), linux_aio.Operation.fdsync)
        except (ImportError, SystemError, NotImplementedError):
            return None

    def begin(self, descriptor: int, done: Synced) -> bool:
        """Begin a sync; False if the kernel does not take it.

        Args:
            descriptor: of a file.
            done: called on the event loop once everything that was written before is durable, or
                with the error because of which it may not be.
        """
        assert self._done is None, "there is one sync at a time"
        operation = self._fdsync(descriptor)
        operation.set_callback(self._results.append)
        try:
            begun = self._context.submit(operation) == 1
        except (OverflowError, ValueError, SystemError):
            return False
        if begun:
            self._done = done
        return begun

    def wait(self) -> None:
        """Block until the sync that is under way is done, and tell so."""
        while self._done is not None:
            self._collect(1, _LOOK_S)
            self._tell()

    def close(self) -> None:
        """Take no more; nothing may be under way."""
        if not self._loop.is_closed():
            self._loop.remove_reader(self._context.fileno)

    def _look(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._context.poll()
        self._collect(0, 0)
        self._tell()

    def _collect(self, least: int, wait_s: int) -> None:
        """Fetch the result: at once, or when there is one, but within a time."""
        try:
            self._context.process_events(1, least, wait_s)
        except SystemError as error:
            # Nothing there yet, and a signal has come, which this call tells even if it need not
            # wait. Anything else leaves open what became of the sync: then it failed.
            if error.args[0] != errno.EINTR:
                self._results.append(_UNSIGNED - error.args[0])

    def _tell(self) -> None:
        if self._results and self._done is not None:
            result, done = self._results.pop(), self._done
            self._done = None
            code = _UNSIGNED - result
            done(OSError(code, os.strerror(code)) if result else None)
