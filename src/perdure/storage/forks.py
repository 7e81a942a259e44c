"""What processes that are forked off must not hold on to: what is locked or connected is one's own.

Steps may keep pools of processes, and a pool outlives a server that is killed. Locks and ports that
it had inherited would be taken when the server starts again, and who is connected would wait on.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def close_when_forked(held: T, close: Callable[[T], object]) -> None:
    """Close the copy that each process has which is forked off from now on.

    Args:
        held: What has a descriptor; nothing happens once it is gone.
        close: Closes it. It may be closed already.
    """
    if not hasattr(os, "register_at_fork"):
        return  # Windows forks nothing.
    reference = weakref.ref(held)

    def forked() -> None:
        copy = reference()
        if copy is not None:
            close(copy)

    os.register_at_fork(after_in_child=forked)


def close_copy(descriptor: int) -> None:
    """Close a descriptor that objects count on: behind its number they find nothing from now on."""
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)
