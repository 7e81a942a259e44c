"""Doors: ASGI applications served over HTTP/1.1, inside the loop that runs everything else.

A door is uvicorn's protocol over httptools on a socket of ours. Left out is what uvicorn's own
server adds around it: signal handlers, exits of the process, and waiting by polling; a process has
several doors and one place that stops it.

Life of a door: bound when it is made (so that a taken port is known before anything starts), open
from ``start`` on, and closed by ``stop``: no new connections, then time for what is under way, then
cancellation, to which the application may still answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from typing import Any, Final, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

Application = Callable[[Any, Any, Any], Awaitable[None]]

#: Connections that may wait to be accepted.
_BACKLOG: Final = 2048
#: Longer than clients and load balancers commonly keep idle connections, so that they close first:
#: a connection closed by the server may have a request on the way.
_KEEP_ALIVE_S: Final = 120
#: How long cancelled requests may take to say good-bye.
_FAREWELL_S: Final = 1.0
#: The head of a request: request line and headers.
HEAD_BYTES_MAX: Final = 512 * 1024


#: Headers that offer another protocol; the connection header names them too.
_UPGRADE_HEADERS: Final = frozenset({b"upgrade", b"http2-settings"})


class DoorError(Exception):
    """A door cannot be opened; the message says why and which option to change."""


def bind(host: str, port: int, option: str) -> socket.socket:
    """Bind a socket that listens; port 0 takes any free one.

    Args:
        host: name or address; ``::`` takes IPv4 as well where the system can.
        port: TCP port.
        option: how the user would choose another port, such as ``--ingress-port``.

    Raises:
        DoorError: the address is taken, not ours, or not allowed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    dualstack = host == "::" and socket.has_dualstack_ipv6()
    try:
        return socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=dualstack
        )
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            reason = f"port {port} on {host} is taken by another process; stop that one"
        else:
            reason = f"cannot listen on port {port} of {host}: {error.strerror or error}"
        raise DoorError(f"{reason}, or choose another with {option}") from error


class Door:
    """An application, served on a socket.

    Args:
        application: an ASGI application.
        listener: a bound socket; the door closes it.
    """

    def __init__(self, application: Application, listener: socket.socket) -> None:
        self._listener = listener
        #: Port that the door is bound to.
        self.port: int = listener.getsockname()[1]
        self._config = Config(
            application,
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
        )
        self._config.load()
        self._state = ServerState()
        #: Set when the last connection was lost.
        self._deserted = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._clock: asyncio.TimerHandle | None = None

    @property
    def address(self) -> tuple[Any, ...]:
        """Address that the door is bound to: host, port, and more for IPv6."""
        address: tuple[Any, ...] = self._listener.getsockname()
        return address

    async def start(self) -> None:
        """Accept connections."""
        loop = asyncio.get_running_loop()
        self._tick()
        self._server = await loop.create_server(
            self._connect, sock=self._listener, backlog=_BACKLOG
        )

    async def stop(self, grace_s: float) -> None:
        """Accept no more connections; give what is under way so many seconds, then end it."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._state.connections):
            connection.shutdown()
        await self._settle(grace_s)
        for task in tuple(self._state.tasks):
            task.cancel()
        await self._settle(_FAREWELL_S)
        await self._disconnect()
        if self._clock is not None:
            self._clock.cancel()
        self._listener.close()

    async def _settle(self, timeout_s: float) -> None:
        """Wait until no request is under way, but no longer than that."""
        if tasks := tuple(self._state.tasks):
            await asyncio.wait(tasks, timeout=timeout_s)

    async def _disconnect(self) -> None:
        """Close what is still connected, and cut off whoever does not take the last answer."""
        connections = self._state.connections
        self._deserted.clear()
        for connection in tuple(connections):
            connection.transport.close()
        if connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._deserted.wait(), _FAREWELL_S)
        for connection in tuple(connections):
            connection.transport.abort()

    def _connect(self) -> asyncio.Protocol:
        return DoorProtocol(self._config, self._state, self._deserted)

    def _tick(self) -> None:
        """Write the date that responses carry, once a second."""
        self._state.default_headers = [(b"date", formatdate(usegmt=True).encode())]
        # A little after the second has changed, so that the date is never behind by a whole one.
        delay = 1.001 - time.time() % 1.0
        self._clock = asyncio.get_running_loop().call_later(delay, self._tick)


class DoorProtocol(HttpToolsProtocol):
    """One connection: uvicorn's, with a bound on heads, JSON errors, and no upgrades."""

    def __init__(self, config: Config, state: ServerState, deserted: asyncio.Event) -> None:
        super().__init__(config, state, {})
        self._deserted = deserted
        #: Size of a head that is not complete yet.
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a connection, which must say something before long."""
        # uvloop's transports have the interface without being instances of the class.
        super().connection_made(cast(asyncio.Transport, transport))
        self._expect_more()

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        super().connection_lost(exc)
        if not self.connections:
            self._deserted.set()

    def data_received(self, data: bytes) -> None:
        """Take what has come, unless the head of a request grows beyond its bound."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("this is not a request of HTTP/1.1")
        else:
            self._bound_head(len(data))

    def _expect_more(self) -> None:
        """Close the connection unless more comes in time."""
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _bound_head(self, received: int) -> None:
        # The method is noted once the head is complete; before the first byte there is no scope.
        head: Mapping[str, object] | None = self.scope
        if not head or "method" in head:
            self._head_bytes = 0
            return
        self._head_bytes += received
        if self._head_bytes > HEAD_BYTES_MAX:
            message = f"the headers are longer than {HEAD_BYTES_MAX} bytes"
            self._refuse(b"431 Request Header Fields Too Large", 431, message)
        else:
            self._expect_more()

    def _should_upgrade(self) -> bool:
        """Claim every upgrade, so that nothing is answered before it is declined."""
        return True

    def _decline_upgrade(self, rest: bytes) -> None:
        """Serve a request that offers an upgrade as if it did not (RFC 9110, 7.8).

        The parser takes what follows the head for another protocol. Clients such as Java's offer
        HTTP/2 and send the body in HTTP/1.1 all the same, so the request is read once more,
        without the offer, by a parser that has not seen it.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("this server is no proxy")
            return
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (method, self.url, version)]
        for name, value in self.headers:
            if name == b"connection":
                lines.append(b"connection: " + _without_upgrade(value))
            elif name not in _UPGRADE_HEADERS:
                lines.append(name + b": " + value)
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP."""
        self._refuse(b"400 Bad Request", 400, msg)

    def _refuse(self, status_line: bytes, code: int, message: str) -> None:
        body = json.dumps({"code": code, "message": message}).encode()
        self.transport.write(
            b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n"
            b"connection: close\r\n\r\n%b" % (status_line, len(body), body)
        )
        self.transport.close()


def _without_upgrade(connection: bytes) -> bytes:
    """Take out of a connection header what belongs to the offer of an upgrade."""
    tokens = (token.strip() for token in connection.split(b","))
    return b", ".join(token for token in tokens if token.lower() not in _UPGRADE_HEADERS)
