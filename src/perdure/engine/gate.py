"""The gate before the engine: at a bound a request is refused for now, and nothing came of it."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from perdure.engine.errors import OverloadedError, UnavailableError
from perdure.engine.partition import Partition
from perdure.engine.waiters import Waiters


class Limits(Struct, frozen=True, kw_only=True):
    """What the engine takes at the same time; at a bound requests are refused for now."""

    #: Requests that wait for a result.
    waiters: int = 20_000
    #: Records that are not durable yet.
    records: int = 20_000
    #: Such records together, in bytes.
    record_bytes: int = 256 * 1024 * 1024
    #: Attempts that wait for a slot.
    queued_attempts: int = 200_000


class Gate:
    """Lets requests in, or says why not.

    Args:
        partition: whose log may be behind.
        waiters: who waits for results.
        queued_attempts: tells how many attempts wait for a slot.
        limits: the bounds.
    """

    __slots__ = ("_closed", "_limits", "_partition", "_queued_attempts", "_waiters")

    def __init__(
        self,
        partition: Partition,
        waiters: Waiters,
        queued_attempts: Callable[[], int],
        limits: Limits,
    ) -> None:
        self._partition = partition
        self._waiters = waiters
        self._queued_attempts = queued_attempts
        self._limits = limits
        #: Why nobody is let in any more.
        self._closed: str | None = None

    def close(self, reason: str) -> None:
        """Let nobody in any more."""
        self._closed = reason

    def admit(self) -> None:
        """Let a request in.

        Raises:
            RefusalError: a bound is reached, or the gate is closed.
        """
        limits = self._limits
        if self._closed is not None:
            raise UnavailableError(self._closed)
        if self._waiters.count >= limits.waiters:
            raise OverloadedError("too many requests wait for a result; try again later")
        partition = self._partition
        if partition.waiting >= limits.records or partition.waiting_bytes >= limits.record_bytes:
            raise OverloadedError("the log is behind; try again later")
        if self._queued_attempts() >= limits.queued_attempts:
            raise OverloadedError("too many invocations wait for a slot; try again later")
