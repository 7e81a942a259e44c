"""Learning from an ASGI server that a client has gone, while its request waits for a result.

A client that goes away does not end its invocation: only the waiting ends. A server that can call
back when that happens offers it as an extension of ASGI. Any other tells of it through ``receive``,
which takes a task of its own to listen to. Most calls end sooner than that pays, so the task starts
only after a while; a client that left before is noticed then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

#: The ASGI callable that gives the next event of a request.
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

#: Has a function called when the client goes away; None calls nothing any more.
WatchDisconnect = Callable[[Callable[[], None] | None], None]

#: Under this name a server's ``extensions`` of a request's scope hold a :data:`WatchDisconnect`.
DISCONNECT_EXTENSION: Final = "perdure.disconnect"

#: How long a call goes unwatched that has to be listened to, in seconds: the longest that a waiter
#: can outlive its client.
UNWATCHED_S: Final = 1.0


def disconnect_of(scope: MutableMapping[str, Any], receive: Receive) -> WatchDisconnect:
    """Give what tells of a client that goes away, as good as the server has it."""
    extensions = scope.get("extensions")
    if extensions:
        offered: WatchDisconnect | None = extensions.get(DISCONNECT_EXTENSION)
        if offered is not None:
            return offered
    return Listener(receive)


class Listener:
    """Tells of a client that goes away by listening to ``receive``, of which no body may be due."""

    __slots__ = ("_callback", "_receive", "_task", "_timer", "_unwatched_s")

    def __init__(self, receive: Receive, unwatched_s: float = UNWATCHED_S) -> None:
        self._receive = receive
        self._unwatched_s = unwatched_s
        self._callback: Callable[[], None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, callback: Callable[[], None] | None) -> None:
        """Listen and call back, or listen no longer."""
        self._callback = callback
        if callback is not None:
            self._timer = asyncio.get_running_loop().call_later(self._unwatched_s, self._start)
            return
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._listen())

    async def _listen(self) -> None:
        # The whole body was read before, so that all that can come is the end of the connection.
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if self._callback is not None:
            self._callback()
