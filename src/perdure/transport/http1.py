"""One HTTP/1.1 connection: one exchange at a time, its request body in chunks as it comes.

A request that says its own length is sent without chunks, for servers that insist on it.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol, cast

import httptools

from perdure.transport.exchanges import PIECE_BYTES, Exchange, LostError, Request
from perdure.transport.network import Origin

#: What may come without a piece of the body: the headers of a response, or what follows them.
BODILESS_BYTES_MAX: Final = 64 * 1024
_HIGH_WATER: Final = 128 * 1024


class Pool(Protocol):
    """Who hands exchanges to connections."""

    def idle(self, connection: Http1Connection) -> None:
        """A connection can carry another exchange."""

    def broken(self, exchange: Exchange, reason: str) -> None:
        """The connection went away under an exchange."""

    def gone(self, connection: Http1Connection) -> None:
        """A connection is closed."""


class Http1Connection(asyncio.Protocol):
    """A connection of a pool."""

    def __init__(self, origin: Origin, pool: Pool) -> None:
        self._authority = origin.authority
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._exchange: Exchange | None = None
        self._blocked = False
        #: Whether the request's body is sent in chunks; else it has none, or a known length.
        self._chunked = True
        #: Whether the request is complete.
        self._said = False
        self._headers: dict[str, str] = {}
        #: Bytes since the response began, or since the last piece of its body.
        self._bodiless_bytes = 0
        self._headed = False
        self._complete = False
        self._reusable = False
        self._reason = "the connection to the service was closed"

    @property
    def usable(self) -> bool:
        """Whether the connection is there, and stays as far as is known."""
        return self._transport is not None and not self._transport.is_closing()

    def open(self, exchange: Exchange) -> None:
        """Carry an exchange; there must be no other."""
        assert self._exchange is None, "one exchange at a time"
        assert self._transport is not None, "a connection is connected before it is used"
        self._exchange = exchange
        self._parser = httptools.HttpResponseParser(self)
        self._said = self._headed = self._complete = False
        self._chunked = _is_chunked(exchange.request)
        self._headers, self._bodiless_bytes = {}, 0
        self._transport.write(self._head(exchange))
        exchange.carry(self)
        self.wake()

    def wake(self) -> None:
        """Send what the exchange has to say, as far as the service takes it."""
        exchange, transport = self._exchange, self._transport
        if exchange is None or transport is None or self._said:
            return
        while not self._blocked and not exchange.drained:
            data = exchange.take(PIECE_BYTES)
            transport.write(b"%x\r\n" % len(data) + data + b"\r\n" if self._chunked else data)
        if exchange.drained and exchange.ended:
            self._said = True
            if self._chunked:
                transport.write(b"0\r\n\r\n")

    def cancel(self) -> None:
        """Close: there is no other way to say that nobody listens any more."""
        self._exchange = None
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.abort()

    # -----------------------------------------------------------------------------------------
    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Get ready."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(_HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        """Take what the service sent."""
        if self._exchange is None:
            self.close()  # nobody asked for anything
            return
        self._bodiless_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._lose(f"the service does not answer in HTTP/1.1: {error}")
            return
        if self._complete:
            self._finish()
        elif self._bodiless_bytes > BODILESS_BYTES_MAX:
            self._lose("the head of the response, or what follows its body, is too long")

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what was under way."""
        self._transport = None
        if exc is not None:
            self._reason = f"the connection to the service broke: {exc}"
        exchange = self._exchange
        if exchange is not None:
            self._exchange = None
            if self._headed and self._ends_with_connection() and exc is None:
                exchange.hear_end()
            else:
                self._pool.broken(exchange, self._reason)
        self._pool.gone(self)

    def pause_writing(self) -> None:
        """Send nothing more until the service has taken what there is."""
        self._blocked = True

    def resume_writing(self) -> None:
        """Go on."""
        self._blocked = False
        self.wake()

    # -----------------------------------------------------------------------------------------
    # Called by the parser

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header; what follows the body means nothing here."""
        if self._headed:
            return
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """Pass on the head, unless another one follows it."""
        status = self._parser.get_status_code()
        if status < 200:
            self._headers = {}
            return
        self._headed = True
        if self._exchange is not None:
            self._exchange.hear_head(status, self._headers)

    def on_body(self, body: bytes) -> None:
        """Pass on a piece of the body."""
        self._bodiless_bytes = 0
        if self._exchange is not None:
            self._exchange.hear_data(body)

    def on_message_complete(self) -> None:
        """Take note that the response is complete."""
        self._complete = self._headed
        # The parser knows this here, and has forgotten it afterwards.
        self._reusable = self._parser.should_keep_alive()

    # -----------------------------------------------------------------------------------------

    def _head(self, exchange: Exchange) -> bytes:
        request = exchange.request
        lines = [f"{request.method} {request.path} HTTP/1.1", f"host: {self._authority}"]
        lines.extend(f"{name}: {value}" for name, value in request.all_headers)
        if self._chunked:
            lines.append("transfer-encoding: chunked")
        return "\r\n".join([*lines, "", ""]).encode()

    def _ends_with_connection(self) -> bool:
        """Tell whether the response has no other end than the connection's."""
        return "content-length" not in self._headers and "transfer-encoding" not in self._headers

    def _finish(self) -> None:
        exchange, self._exchange = self._exchange, None
        reusable = self._said and self._reusable
        if exchange is not None:
            exchange.hear_end()
        if reusable and self.usable:
            self._pool.idle(self)
        else:
            self.close()

    def _lose(self, reason: str) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.lose(LostError(reason))
        self.close()


def _is_chunked(request: Request) -> bool:
    return request.method != "GET" and all(name != "content-length" for name, _ in request.headers)
