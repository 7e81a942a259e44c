"""Tasks and futures whose hash is their number, so that sets of them have one order in replay.

asyncio keeps much in sets, which go by hashes; and the usual hash of an object is its address,
another one in each attempt. Numbers are given out in the order of creation.
"""

from __future__ import annotations

import asyncio
from struct import Struct
from typing import Any, Final

#: So many bits are for the numbers of one attempt.
_NUMBER_BITS: Final = 24
#: The part of an invocation's id that stands before them.
_OWN: Final = Struct(">I")


def number_before(invocation: bytes) -> int:
    """Give the number before the first that an invocation creates: the same in each attempt.

    The numbers begin elsewhere for each invocation, because asyncio keeps all tasks of a process
    in one set, which equal hashes would make slow.

    Args:
        invocation: The invocation's id.
    """
    (own,) = _OWN.unpack_from(invocation, len(invocation) - _OWN.size)
    number: int = own << _NUMBER_BITS
    return number


class AttemptTask(asyncio.Task[Any]):
    """A task whose hash is the number of the coroutine it drives, a :class:`.foreign.Driven`.

    asyncio asks for the hash while it makes the task: what a task is made of is there by then.
    """

    def __hash__(self) -> int:
        number: int = self.get_coro().number  # type: ignore[union-attr]  # it is Driven
        return number


class AttemptFuture(asyncio.Future[Any]):
    """A future of ``asyncio.shield`` and its like, numbered as tasks are."""

    def __init__(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self._number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._number
