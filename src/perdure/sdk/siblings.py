"""Telling in which order coroutines were given to ``asyncio.as_completed``.

It makes tasks of them by way of a set, so in the order of their addresses: another one in each
attempt. Whoever makes the tasks can but look at who asks for them, and make all at once, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from types import CodeType, FrameType
from typing import Any, Final

from perdure.sdk.errors import ContextMisuseError

Work = Coroutine[Any, Any, Any]


def _codes(*functions: Callable[..., Any] | None) -> frozenset[CodeType]:
    return frozenset(each.__code__ for each in functions if each is not None)


#: What makes a task of whatever can be awaited; before Python 3.12 in two steps.
_ENSURING: Final = _codes(asyncio.ensure_future, getattr(asyncio.tasks, "_ensure_future", None))
#: Since Python 3.13 an iterator does the work.
_ITERATOR: Any = getattr(asyncio.tasks, "_AsCompletedIterator", None)
_AS_COMPLETED: Final = _codes(asyncio.as_completed, _ITERATOR and _ITERATOR.__init__)


def siblings_of(coro: Work, asked_by: FrameType) -> Sequence[Work]:
    """Give the coroutines that were given together with one to ``as_completed``, that one included.

    Args:
        coro: The coroutine of which a task is wanted.
        asked_by: The frame of who wants it.

    Returns:
        Them all, in order; nothing if somebody else wants the task.

    Raises:
        ContextMisuseError: their order cannot be known.
    """
    caller = _past_ensuring(asked_by)
    if caller is None or caller.f_code not in _AS_COMPLETED:
        return ()
    names = caller.f_locals
    given = names["aws"] if "aws" in names else names["fs"]
    if isinstance(given, set | frozenset | Iterator) or coro not in given:
        coro.close()
        raise ContextMisuseError(
            "asyncio.as_completed would start these in another order in each attempt: give it a "
            "list of coroutines or tasks, `asyncio.as_completed([work(each) for each in ...])`"
        )
    return [each for each in dict.fromkeys(given) if asyncio.iscoroutine(each)]


def _past_ensuring(asked_by: FrameType) -> FrameType | None:
    """Give the frame that has called ``ensure_future``; None if something else wants the task."""
    frame: FrameType | None = asked_by
    while frame is not None and frame.f_code in _ENSURING:
        frame = frame.f_back
    if frame is asked_by:
        return None
    if frame is not None and frame.f_code.co_name == "<setcomp>":  # before Python 3.12
        return frame.f_back
    return frame
