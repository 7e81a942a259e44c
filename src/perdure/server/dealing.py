"""Dealing: one process accepts connections, and several serve them in turn.

They are dealt and not left to whoever accepts first, since a process that has just woken would take
all that wait: each should have its part.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable, Sequence
from typing import Final

#: Takes a connection from now on, or says that it cannot.
Taker = Callable[[socket.socket], bool]

#: Connections accepted in one turn of the loop.
_TOGETHER: Final = 64
#: What the system lacks when it cannot give a connection, and how long it is given to find some.
SHORT_OF: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
RECOVER_S: Final = 1.0

logger = logging.getLogger("perdure.server")


class Dealer:
    """Accepts the connections of a socket, and deals them.

    Args:
        listener: the socket; whoever made it closes it.
        takers: who takes connections; the first never refuses one.
        recover_s: how long the system is given, in seconds, to find what it lacks.
    """

    def __init__(
        self, listener: socket.socket, takers: Sequence[Taker], recover_s: float = RECOVER_S
    ) -> None:
        self._listener = listener
        self._takers = takers
        self._recover_s = recover_s
        self._next = 0
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Accept from now on."""
        self._pause = None
        self._listener.setblocking(False)
        self._loop.add_reader(self._listener.fileno(), self._accept)

    def close(self) -> None:
        """Accept no more."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._listener.fileno())

    def _accept(self) -> None:
        for _ in range(_TOGETHER):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in SHORT_OF:
                    raise
                self._recover(error)
                return
            self._deal(connection)

    def _recover(self, error: OSError) -> None:
        logger.error("connections wait, as none can be accepted: %s", error)
        self._loop.remove_reader(self._listener.fileno())
        self._pause = self._loop.call_later(self._recover_s, self.start)

    def _deal(self, connection: socket.socket) -> None:
        chosen, self._next = self._next, (self._next + 1) % len(self._takers)
        if not self._takers[chosen](connection):
            self._takers[0](connection)
