"""Whether the code that runs now repeats what an earlier attempt has done already."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

#: Set for the time of an attempt to a function that tells whether it is replaying.
IS_REPLAYING: Final[ContextVar[Callable[[], bool] | None]] = ContextVar(
    "perdure_is_replaying", default=None
)


def is_replaying() -> bool:
    """Tell whether this code runs in a handler that repeats its journal."""
    ask = IS_REPLAYING.get()
    return ask is not None and ask()


class ReplayingVariable:
    """Tells whether this code runs in a handler that repeats its journal, as a variable does."""

    def get(self, _default: bool = False, /) -> bool:
        """Tell it; False outside of handlers."""
        return is_replaying()
