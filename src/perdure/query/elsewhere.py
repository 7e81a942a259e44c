"""The server's other partitions, as a query that is answered here sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from perdure.engine.moment import Search


class FarRows(Protocol):
    """Rows of another partition, as they come; one thread takes them."""

    @property
    def ready(self) -> bool:
        """Whether nobody has to wait for the next batch."""

    def take(self) -> bytes:
        """Wait for the next batch, as Arrow serializes it; nothing, again and again, at the end.

        Raises:
            RefusalError: the other partition cannot be read, or its process is gone.
        """


class FarMoment(Protocol):
    """What another partition shows to one query; its user closes it."""

    def search(self, search: Search) -> FarRows:
        """Begin to read a table there; any thread may call this."""

    def close(self) -> None:
        """Let go of it; called on the event loop, also while something is still read."""


class Elsewhere(Protocol):
    """All other partitions."""

    async def look(self) -> Sequence[FarMoment]:
        """Give all that a query sees of them, as of now.

        Raises:
            RefusalError: one of them cannot be looked at.
        """
