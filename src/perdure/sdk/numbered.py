"""Tasks and futures whose hash is their number, so that sets of them have one order in replay.

asyncio keeps much in sets, which go by hashes; and the usual hash of an object is its address,
another one in each attempt. Numbers are given out in the order of creation.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from itertools import count
from typing import Any, Final

#: So many bits are for the numbers of one attempt.
_NUMBER_BITS: Final = 24


def numbers_of(invocation: bytes) -> count[int]:
    """Give the numbers for what an invocation creates: the same in each of its attempts.

    They begin elsewhere for each invocation, because asyncio keeps all tasks of a process in one
    set, which equal hashes would make slow.

    Args:
        invocation: The invocation's id.
    """
    return count(int.from_bytes(invocation[-4:], "big") << _NUMBER_BITS)


class AttemptTask(asyncio.Task[Any]):
    """A task whose hash is its number."""

    def __init__(
        self,
        number: int,
        work: Coroutine[Any, Any, Any],
        loop: asyncio.AbstractEventLoop,
        name: str | None = None,
        context: Context | None = None,
    ) -> None:
        self._number = number
        super().__init__(work, loop=loop, name=name, context=context)

    def __hash__(self) -> int:
        return self._number


class AttemptFuture(asyncio.Future[Any]):
    """A future of ``asyncio.shield`` and its like, numbered as tasks are."""

    def __init__(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self._number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._number
