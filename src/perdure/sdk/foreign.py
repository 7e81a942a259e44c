"""Awaiting futures of other loops from within an attempt's loop.

A task may await futures of its own loop only. A handler, though, may well await something that
lives on the process's real loop: a library's task, a thread of the executor, a socket. So every
coroutine of an attempt is :class:`Driven`: each future it stops at is looked at, and a
:class:`Bridge` put in the place of a foreign one. Where nothing foreign is awaited that costs one
comparison a step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Protocol

from perdure.sdk.exits import refuse


class Bridge(asyncio.Future[Any]):
    """A future of one loop that follows a future of another, both ways.

    Args:
        foreign: The future to follow.
        loop: The loop that this one belongs to.
        settled: Called once the foreign future is done.
    """

    def __init__(
        self,
        foreign: asyncio.Future[Any],
        loop: asyncio.AbstractEventLoop,
        settled: Callable[[], None],
    ) -> None:
        super().__init__(loop=loop)
        self._foreign = foreign
        self._settled = settled
        foreign.add_done_callback(self._follow)

    def cancel(self, msg: Any = None) -> bool:
        """Cancel the foreign future; this one follows when that is done, as a task's would."""
        return self._foreign.cancel(msg)

    def _follow(self, foreign: asyncio.Future[Any]) -> None:
        self._settled()
        if foreign.cancelled():
            super().cancel()
            return
        error = foreign.exception()
        if error is None:
            self.set_result(foreign.result())
        else:
            self.set_exception(error)


class Home(Protocol):
    """The loop of a task whose coroutine is driven."""

    wanted: Any
    """What the coroutine that runs is about to wait for, if that may have a result already."""

    def give(self, waiter: Any) -> bool:
        """Complete what the coroutine has stopped at, if its result is next; tell whether."""

    def bridge(self, foreign: asyncio.Future[Any]) -> Bridge:
        """Make a future of this loop that follows a foreign one."""

    def told(self, error: BaseException) -> BaseException:
        """Give the error that a coroutine is to see in the place of one."""


class Driven(Coroutine[Any, Any, Any]):
    """A coroutine that sees futures of its own loop only, and does not wait for what is there.

    Args:
        work: The coroutine to drive.
        loop: The loop that its task belongs to.
        number: The hash of its task, if that is numbered.
    """

    __slots__ = ("_loop", "_work", "number")

    def __init__(self, work: Coroutine[Any, Any, Any], loop: Home, number: int = 0) -> None:
        self._work = work
        self._loop = loop
        self.number = number

    def send(self, value: Any) -> Any:
        """Go on to the next future that the coroutine stops at."""
        work, loop = self._work, self._loop
        try:
            waited = work.send(value)
            while loop.wanted is not None and loop.give(waited):
                waited = work.send(None)
        except SystemExit as error:
            refuse(error)
        if waited is not None and getattr(waited, "_loop", loop) is not loop:
            return self._bridged(waited)
        return waited

    def throw(self, error: Any, *_legacy: Any) -> Any:
        """Raise an error where the coroutine stands, and go on to the next future."""
        try:
            waited = self._work.throw(self._loop.told(error))
        except SystemExit as leaving:
            refuse(leaving)
        if waited is not None and getattr(waited, "_loop", self._loop) is not self._loop:
            return self._bridged(waited)
        return waited

    def close(self) -> None:
        """End the coroutine where it stands."""
        self._work.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._work.__await__()

    def __getattr__(self, name: str) -> Any:
        # Its name, its state and its frame, for libraries that look at the coroutines of tasks.
        return getattr(self._work, name)

    def _bridged(self, foreign: asyncio.Future[Any]) -> Bridge:
        # By this flag a future tells the task that receives it that it was yielded by an await.
        foreign._asyncio_future_blocking = False  # noqa: SLF001 - the protocol of asyncio's tasks
        own = self._loop.bridge(foreign)
        own._asyncio_future_blocking = True  # noqa: SLF001 - likewise
        return own
