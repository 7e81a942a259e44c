"""Connecting to services: names to addresses, refused destinations, TLS.

Whoever may register a deployment chooses where this server connects to. Link-local addresses, where
clouds keep the credentials of their machines, are therefore refused unless the settings allow them.
The check is made on the address that is connected to, so that no name can get around it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from msgspec import Struct

from perdure.transport.http2_limits import Http2Limits

P = TypeVar("P", bound=asyncio.Protocol)
#: What a socket connects to: address and port, and for IPv6 two numbers more.
SocketAddress: TypeAlias = tuple[Any, ...]

#: How long an address may take before the next one is tried beside it (RFC 8305), in seconds.
_NEXT_S: Final = 0.25

#: Where clouds answer questions about a machine, beside the link-local addresses.
_METADATA: Final = frozenset(
    map(
        ipaddress.ip_address,
        (
            *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe"),
            *("100.100.100.200", "168.63.129.16", "192.0.0.192"),
        ),
    )
)
#: IPv6 addresses that end with the IPv4 address that answers them: compatible, mapped, translated.
_CARRYING: Final = tuple(
    map(
        ipaddress.IPv6Network,
        ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48"),
    )
)


class UnreachableError(Exception):
    """There is no connection to a service; the message says why."""


class RefusedAddressError(UnreachableError):
    """This server does not connect to such an address."""


class NetworkOptions(Struct, frozen=True, kw_only=True):
    """How to connect; durations in seconds."""

    connect_timeout_s: float = 10.0
    #: How often a silent connection is asked for a sign of life, and how long it may take.
    ping_interval_s: float = 40.0
    ping_timeout_s: float = 20.0
    #: How long a connection that carries nothing is kept.
    idle_timeout_s: float = 300.0
    allow_link_local: bool = False
    #: Certificates to trust in place of the system's.
    ca_file: Path | None = None
    http2: Http2Limits = Http2Limits()


class Origin(Struct, frozen=True):
    """A server: where requests go, and in which protocol."""

    scheme: str
    host: str
    port: int
    #: Whether to speak HTTP/2 or HTTP/1.1.
    http2: bool = True

    @property
    def authority(self) -> str:
        """Host and port, as requests name them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Network:
    """Opens connections."""

    def __init__(self, options: NetworkOptions) -> None:
        self.options = options
        self._contexts: dict[tuple[str, ...], ssl.SSLContext] = {}

    async def connect(
        self, origin: Origin, factory: Callable[[], P], alpn: tuple[str, ...]
    ) -> tuple[P, str | None]:
        """Connect; give the protocol, and what TLS agreed to speak.

        Raises:
            UnreachableError: no address took the connection in time.
        """
        timeout_s = self.options.connect_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                return await self._connect(origin, factory, alpn)
        except TimeoutError as error:
            raise UnreachableError(f"no connection within {timeout_s:g} s") from error

    async def _connect(
        self, origin: Origin, factory: Callable[[], P], alpn: tuple[str, ...]
    ) -> tuple[P, str | None]:
        loop = asyncio.get_running_loop()
        secure = self._context(alpn) if origin.scheme == "https" else None
        addresses = await self._resolve(origin)
        failure: Exception | None = None
        while addresses:
            try:
                address, reached = await first_reached(addresses)
            except OSError as error:
                raise UnreachableError(str(failure or error)) from error
            addresses.remove(address)
            try:
                transport, protocol = await loop.create_connection(
                    factory,
                    sock=reached,
                    ssl=secure,
                    server_hostname=origin.host if secure else None,
                )
            except OSError as error:  # TLS errors are of this kind, too
                failure = error
                continue
            tls = transport.get_extra_info("ssl_object")
            return protocol, tls.selected_alpn_protocol() if tls is not None else None
        raise UnreachableError(str(failure)) from failure

    async def _resolve(self, origin: Origin) -> list[SocketAddress]:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise UnreachableError(f"the name {origin.host!r} is not known: {error}") from error
        addresses = list(dict.fromkeys(info[4] for info in found))
        if not self.options.allow_link_local:
            for address in addresses:
                check_address(str(address[0]))
        return addresses

    def _context(self, alpn: tuple[str, ...]) -> ssl.SSLContext:
        context = self._contexts.get(alpn)
        if context is None:
            context = trusting(self.options.ca_file)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.set_alpn_protocols(list(alpn))
            self._contexts[alpn] = context
        return context


async def first_reached(addresses: Sequence[SocketAddress]) -> tuple[SocketAddress, socket.socket]:
    """Connect to whichever address takes a connection first; give it and the connection.

    The next one is tried when the one before fails or takes longer than usual: an address that
    swallows what it is sent, such as one of IPv6 behind a wall, does not hide those after it.

    Raises:
        OSError: none does.
    """
    waiting = list(addresses)
    trying: dict[asyncio.Task[socket.socket], SocketAddress] = {}
    failure: OSError | None = None
    try:
        while waiting or trying:
            if waiting:
                address = waiting.pop(0)
                trying[asyncio.ensure_future(_reached(address))] = address
            patience_s = _NEXT_S if waiting else None
            done, _ = await asyncio.wait(
                trying, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                address = trying.pop(task)
                try:
                    reached = task.result()
                except OSError as error:
                    failure = error
                    continue
                return address, reached
    finally:
        for task in trying:
            task.add_done_callback(_let_go)
            task.cancel()
    raise failure or OSError("the name stands for no address")


async def _reached(address: SocketAddress) -> socket.socket:
    family = socket.AF_INET6 if ":" in str(address[0]) else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, address)
    except BaseException as error:
        connection.close()
        if isinstance(error, OSError) and error.errno:
            # The words that people look for, whatever the event loop has made of them.
            raise OSError(error.errno, os.strerror(error.errno)) from error
        raise
    return connection


def _let_go(task: asyncio.Task[socket.socket]) -> None:
    """Close a connection that came when another one was there already."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()


def trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Give a context of TLS that trusts the certificates of a file, or those of the system.

    Raises:
        OSError: the file cannot be read, or holds no certificates.
    """
    return ssl.create_default_context(cafile=ca_file)


def check_address(text: str) -> None:
    """Refuse addresses that no service has, but a cloud's metadata.

    Raises:
        RefusedAddressError: the address is link-local or one of a cloud's metadata service.
    """
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        address = _carried(address) or address
    if address.is_link_local or address in _METADATA:
        raise RefusedAddressError(
            f"{text} is a link-local or metadata address, which services are not reached at; set "
            "admin.allow-link-local-deployments if one really is"
        )


def _carried(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Give the IPv4 address that a gateway makes of one of IPv6, if it is of that kind."""
    if any(address in network for network in _CARRYING):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.sixtofour or (address.teredo[1] if address.teredo is not None else None)
