"""Doors: ASGI applications served over HTTP, inside the loop that runs everything else.

A door does no more than a process with several of them needs: it handles no signals and never ends
the process; there is one place that stops all doors.

Life of a door: bound when it is made (so that a taken port is known before anything starts), open
from ``start`` on, and closed by ``stop``: no new connections, then time for what is under way, then
cancellation, to which the application may still answer.

Where several processes serve, one of them has the door, and deals the connections to all.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from perdure.server.dealing import Dealer, Taker
from perdure.server.exchanges import Application
from perdure.server.halls import Hall
from perdure.server.http1_requests import HEAD_BYTES_MAX
from perdure.server.http2_sender import STREAMS_MAX
from perdure.storage.forks import close_when_forked

__all__ = ["HEAD_BYTES_MAX", "Application", "Door", "DoorError", "bind", "bind_file"]

#: Connections that may wait to be accepted.
_BACKLOG: Final = 2048
#: When the system asks a silent client for a sign of life, after how many seconds it asks again,
#: and how often before the client counts as gone. Not all systems let one choose.
_SIGNS_OF_LIFE: Final = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 20, "TCP_KEEPCNT": 3}
#: The file of a socket belongs to whoever made it: others may go on listening on it.
_KEEPING_FILE: Final[dict[str, Any]] = (
    {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
)


class DoorError(Exception):
    """A door cannot be opened; the message says why and which option to change."""


def bind(host: str, port: int, option: str) -> socket.socket:
    """Bind a socket that listens; port 0 takes any free one.

    Args:
        host: name or address; ``::`` takes IPv4 as well where the system can.
        port: TCP port.
        option: how the user would choose another port, such as ``--ingress-port``.

    Raises:
        DoorError: the address is none, is taken, not ours, or not allowed.
    """
    if not isinstance(port, int) or not 0 <= port <= 65535:
        raise DoorError(f"{option}: {port!r} is no port; write a number from 0 to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    dualstack = host == "::" and socket.has_dualstack_ipv6()
    try:
        listener = socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=dualstack
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise DoorError(
                f"[RT0004] port {port} on {host} is taken already; stop what listens there, or "
                f"choose another with {option}"
            ) from error
        if error.errno in (errno.EADDRNOTAVAIL, socket.EAI_NONAME):
            advice = "name an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all"
        else:
            advice = f"choose another with {option}"
        reason = f"cannot listen on port {port} of {host}: {error.strerror or error}"
        raise DoorError(f"{reason}; {advice}") from error
    _prepare(listener)
    return listener


def _prepare(listener: socket.socket) -> None:
    """Set the options of a socket that its connections inherit."""
    # Without it the second part of a response waits until the client has acknowledged the first,
    # 40 ms later; asyncio does not see to it for such sockets.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Without it a client that waits, and loses its machine or network, is served until the answer
    # is there, and an invocation may take a month.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _SIGNS_OF_LIFE.items():
        if hasattr(socket, name):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def bind_file(path: Path) -> socket.socket:
    """Bind a socket that listens on a path of the file system, which does not exist.

    Raises:
        DoorError: the system has no such sockets, or not with this path.
    """
    if not hasattr(socket, "AF_UNIX"):
        raise DoorError("this system has no Unix sockets; use ports")
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise DoorError(f"cannot listen on {path}: {error}; use ports") from error
    return listener


def _close_at_once(listener: socket.socket) -> None:
    """Close a socket even if an event loop counts on it."""
    descriptor = listener.detach()
    if descriptor >= 0:
        os.close(descriptor)


class Door:
    """An application, served on a socket.

    Args:
        application: an ASGI application.
        listener: a bound socket; the door closes it.
        tls: certificate and key, if the door speaks TLS.
        streams_max: requests that one connection of HTTP/2 may have under way.
    """

    def __init__(
        self,
        application: Application,
        listener: socket.socket,
        tls: ssl.SSLContext | None = None,
        streams_max: int = STREAMS_MAX,
    ) -> None:
        self._hall = Hall(application, streams_max)
        self._listener = listener
        self._tls = tls
        #: Address that the door is bound to: host, port, and more for IPv6; or a path.
        self.address: tuple[Any, ...] | str = listener.getsockname()
        self._server: asyncio.Server | Dealer | None = None

    @property
    def port(self) -> int:
        """Port that the door is bound to, if it is."""
        return int(self.address[1])

    async def start(self, others: Sequence[Taker] = ()) -> None:
        """Accept connections.

        Args:
            others: take connections as well, in turn; not those of TLS.
        """
        close_when_forked(self._listener, _close_at_once)
        self._hall.open()
        if others:
            self._server = Dealer(self._listener, [self._hall.take, *others])
            self._server.start()
        else:
            self._server = await self._listen(asyncio.get_running_loop())

    async def _listen(self, loop: asyncio.AbstractEventLoop) -> asyncio.Server:
        arrive = self._hall.arrive
        if isinstance(self.address, str):
            return await loop.create_unix_server(
                arrive, sock=self._listener, backlog=_BACKLOG, ssl=self._tls, **_KEEPING_FILE
            )
        return await loop.create_server(
            arrive, sock=self._listener, backlog=_BACKLOG, ssl=self._tls
        )

    async def stop(self, grace_s: float) -> None:
        """Accept no more connections; give what is under way so many seconds, then end it."""
        if self._server is not None:
            self._server.close()
        await self._hall.close(grace_s)
        self._listener.close()
