"""Takes what other partitions ship: into the log first, then acknowledged, and never twice.

The record says what came; whether it was taken before is decided when it is applied.
"""

from __future__ import annotations

from collections.abc import Callable

from perdure.core.model.records import Delivered
from perdure.core.model.shares import Share
from perdure.core.model.verdicts import Reply
from perdure.core.tables.keys import partition_fact
from perdure.core.tables.tables import TAKEN, Tables
from perdure.engine.errors import UnavailableError
from perdure.engine.outbox import DivergedError
from perdure.engine.partition import OnReply


class Intake:
    """What arrives from other partitions. Lives on one event loop."""

    def __init__(
        self, tables: Tables, share: Share, propose: Callable[[Delivered, OnReply], None]
    ) -> None:
        """Begin where the tables are.

        Args:
            tables: know what was taken.
            share: says which partition this is.
            propose: appends a record, and says what became of it.
        """
        self._tables = tables
        self._share = share
        self._propose = propose
        #: Number of the last message of each partition that is on its way into the log, at least.
        self._proposed: dict[int, int] = {}
        self._stopped = False

    def stop(self) -> None:
        """Take nothing more: what arrives from now on is shipped again, to whoever leads then."""
        self._stopped = True

    def taken(self, source: int) -> int:
        """Give the number of the last message of a partition that was taken."""
        return self._tables.facts.get(partition_fact(TAKEN, source)) or 0

    def take(self, parcel: Delivered, acknowledge: Callable[[int], None]) -> None:
        """Take a parcel.

        Args:
            parcel: messages of one partition.
            acknowledge: called with the number of the last message once all are durable here.

        Raises:
            DivergedError: messages before these never arrived.
        """
        if self._stopped:
            return
        source, last = parcel.source, parcel.first + len(parcel.messages) - 1
        taken = self.taken(source)
        proposed = max(taken, self._proposed.get(source, 0))
        if parcel.first > proposed + 1:
            raise DivergedError(source, self._share.index)
        if last <= taken:
            acknowledge(last)
            return

        def on_reply(reply: Reply | UnavailableError) -> None:
            if not isinstance(reply, UnavailableError):
                acknowledge(last)

        self._proposed[source] = max(proposed, last)
        self._propose(parcel, on_reply)
