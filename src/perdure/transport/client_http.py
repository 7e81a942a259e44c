"""The HTTP client: exchanges with any server, each over a pool of connections to it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Protocol, cast

from perdure.engine.memory import Memory
from perdure.transport.exchanges import Exchange, Listener, Request
from perdure.transport.http1_pool import Http1Pool
from perdure.transport.http2_pool import Http2Pool
from perdure.transport.network import Network, NetworkOptions, Origin


class Pool(Protocol):
    """The connections to one server."""

    def open(self, exchange: Exchange) -> None:
        """Carry an exchange as soon as there is a connection for it."""

    async def close(self) -> None:
        """Close all connections."""


class HttpClient:
    """Makes requests. Lives on one event loop."""

    def __init__(self, options: NetworkOptions) -> None:
        self._network = Network(options)
        self._pools: dict[Origin, Pool] = {}

    @property
    def connect_timeout_s(self) -> float:
        """How long a connection may take, in seconds."""
        return self._network.options.connect_timeout_s

    def open(
        self,
        origin: Origin,
        request: Request,
        listener: Listener,
        *,
        bodiless: bool = False,
        memory: Memory | None = None,
    ) -> Exchange:
        """Begin an exchange; its sender can speak at once.

        Args:
            origin: the server.
            request: the head of the request.
            listener: hears the response.
            bodiless: whether the head is all there is.
            memory: counts what is held of the request.
        """
        exchange = Exchange(request, listener, memory)
        if bodiless:
            exchange.end()
        pool = self._pools.get(origin)
        if pool is None:
            kind = Http2Pool if origin.http2 else Http1Pool
            pool = self._pools[origin] = kind(origin, self._network)
        pool.open(exchange)
        return exchange

    async def agrees_to_http2(self, origin: Origin) -> bool:
        """Ask a TLS server whether it would speak HTTP/2.

        Raises:
            UnreachableError: there is no connection to it.
        """
        probe, agreed = await self._network.connect(origin, _Probe, ("h2", "http/1.1"))
        probe.close()
        return agreed == "h2"

    async def close(self) -> None:
        """Close all connections; what they carry is lost."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.close()


class _Probe(asyncio.Protocol):
    """A connection that says nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def close(self) -> None:
        with contextlib.suppress(OSError):
            cast(asyncio.Transport, self._transport).abort()
