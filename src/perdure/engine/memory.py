"""What open attempts hold of messages that are on their way, in bytes, and when it is too much."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

#: What all attempts together may hold before no further one starts that would hold much.
MEMORY_BYTES: Final = 1536 * 1024 * 1024
#: What every attempt may hold, however much the others do: what it is given at its beginning, and
#: what has come of a message.
LIGHT_BYTES: Final = 64 * 1024


class Memory:
    """Counts what is held. Lives on one event loop.

    Whoever takes hold of something adds its size to ``held``, and gives it back with
    :meth:`release`, whatever became of it.

    Args:
        limit: from so many bytes on it is full, and nobody begins to hold much more.
        freed: is told each time it is no longer full.
    """

    __slots__ = ("_freed", "held", "limit", "most")

    def __init__(self, limit: int = MEMORY_BYTES, freed: Callable[[], None] | None = None) -> None:
        self.limit = limit
        #: Beyond so many bytes who holds much has to give it back: there is room to end what runs.
        self.most = limit + limit // 2
        self._freed = freed
        #: Bytes that are held now.
        self.held = 0

    @property
    def full(self) -> bool:
        """Whether nobody should begin to hold much."""
        return self.held >= self.limit

    def overgrown(self, own: int) -> bool:
        """Tell whether one who holds so much has to give it back.

        Who holds little goes on, and so does the only one who holds anything: somebody always does.
        """
        return self.held > self.most and LIGHT_BYTES < own < self.held

    def release(self, size: int) -> None:
        """Give back what was held."""
        before = self.held
        self.held = before - size
        if before >= self.limit > self.held and self._freed is not None:
            self._freed()
