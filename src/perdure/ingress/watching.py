"""Waiting for a result only as long as there is a client to give it to.

A client that goes away does not end its invocation: only the waiting ends. ASGI tells of it through
``receive``, which takes a task of its own to listen to. Most calls end sooner than that pays, so
the task starts only after a while; a client that left before is noticed then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

from perdure.ingress.bodies import ClientGoneError, Receive
from perdure.ingress.errors import UnavailableError

T = TypeVar("T")

#: How long a call goes unwatched, in seconds: the longest that a waiter can outlive its client.
UNWATCHED_S: Final = 1.0


async def while_connected(
    waiting: Awaitable[T],
    receive: Receive,
    invocation_id: str,
    unwatched_s: float = UNWATCHED_S,
) -> T:
    """Wait for an invocation's result, and stop waiting when the client goes away.

    Raises:
        ClientGoneError: there is no client any more; ``waiting`` was cancelled.
        UnavailableError: the server stops; ``waiting`` was cancelled.
    """
    watch = _Watch(receive, unwatched_s)
    try:
        return await waiting
    except asyncio.CancelledError:
        if watch.client_gone:
            watch.settle()
            raise ClientGoneError from None
        # A server cancels a request only when it stops and has given it time. That is obeyed by
        # answering, so that the client knows how to come back.
        raise UnavailableError(
            f"the server is stopping; if invocation {invocation_id} was accepted it goes on, "
            "attach to it later"
        ) from None
    finally:
        watch.stop()


class _Watch:
    """Cancels the current task when its client goes away."""

    __slots__ = ("_listener", "_receive", "_task", "_timer", "client_gone")

    def __init__(self, receive: Receive, unwatched_s: float) -> None:
        task = asyncio.current_task()
        assert task is not None, "a server runs each request in a task"
        loop = asyncio.get_running_loop()
        self.client_gone = False
        self._receive = receive
        self._task = task
        self._listener: asyncio.Task[None] | None = None
        self._timer = loop.call_later(unwatched_s, self._start)

    def stop(self) -> None:
        """Watch no longer; nothing is cancelled after this."""
        self._timer.cancel()
        if self._listener is not None:
            self._listener.cancel()

    def settle(self) -> None:
        """Take back the cancellation, which has done what it was for."""
        self._task.uncancel()

    def _start(self) -> None:
        self._listener = asyncio.get_running_loop().create_task(self._listen())

    async def _listen(self) -> None:
        # The whole body was read before, so that all that can come is the end of the connection.
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.client_gone = True
        self._task.cancel()
