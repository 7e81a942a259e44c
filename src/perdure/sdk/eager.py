"""Tasks that begin at once: the first step runs before the call returns.

Most actions of a run never wait, and then all of their work is done in that first step: no turn of
the loop passes, and what they came to can be sent together with what led to them. From Python 3.12
on asyncio has such tasks; before, the step is made here by hand and the task picks it up.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any

if sys.version_info >= (3, 12):

    def begin(
        work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop, context: Context
    ) -> asyncio.Task[None]:
        """Run a coroutine as a task of the running loop, its first step right now."""
        return asyncio.Task(work, loop=loop, name="action", context=context, eager_start=True)

else:

    def begin(
        work: Coroutine[Any, Any, None], loop: asyncio.AbstractEventLoop, context: Context
    ) -> asyncio.Task[None]:
        """Run a coroutine as a task of the running loop, its first step right now."""
        begun = _Begun(work)
        task: asyncio.Task[None] = asyncio.Task(begun, loop=loop, name="action", context=context)
        outer = asyncio.current_task(loop)
        if outer is not None:
            _leave_task(loop, outer)
        _enter_task(loop, task)
        try:
            context.run(begun.step)
        finally:
            _leave_task(loop, task)
            if outer is not None:
                _enter_task(loop, outer)
        return task

    class _Begun(Coroutine[Any, Any, None]):
        """A coroutine whose first step was made before its task's first step."""

        __slots__ = ("_ended", "_error", "_waited", "_work")

        def __init__(self, work: Coroutine[Any, Any, None]) -> None:
            self._work = work
            self._waited: Any = None
            self._ended = False
            self._error: BaseException | None = None

        def step(self) -> None:
            """Make the first step; whatever comes of it is for the task."""
            try:
                self._waited = self._work.send(None)
            except StopIteration:
                self._ended = True
            except BaseException as error:  # noqa: BLE001 - raised again in the task
                self._error = error

        def send(self, value: Any) -> Any:
            if self._ended:
                raise StopIteration
            error, self._error = self._error, None
            if error is not None:
                raise error
            waited, self._waited = self._waited, None
            return waited if waited is not None else self._work.send(value)

        def throw(self, *error: Any) -> Any:
            self._waited = self._error = None
            return self._work.throw(*error)

        def close(self) -> None:
            self._work.close()

        def __await__(self) -> Generator[Any, None, None]:
            return self._work.__await__()
