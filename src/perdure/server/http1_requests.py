"""Reading requests: the bytes of a connection in, heads and pieces of bodies out, in order.

However the bytes are cut, the same requests come out. Framing that two readers could understand
differently is refused: most of it the parser sees (two lengths, a length beside chunks, folded
headers, line ends that are none), the rest is refused here. Trailers are read and dropped.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final, Protocol

import httptools

from perdure.protocol.direct_http import Header
from perdure.server.heads import RequestHead
from perdure.server.http1_text import head_without_upgrade, split_target

#: The head of a request: request line and headers.
HEAD_BYTES_MAX: Final = 512 * 1024
#: Headers of a request: each costs more than its bytes, 32 more by the count of RFC 9113, 10.5.1.
HEADERS_MAX: Final = HEAD_BYTES_MAX // 32

#: Headers that decide how a request is read.
_NOTED: Final = frozenset({b"expect", b"transfer-encoding"})


class BadRequestError(Exception):
    """What a client sent is not a request that is served here; the message says why."""

    def __init__(self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.status = status


class RequestSink(Protocol):
    """Who takes the requests of a connection; for each, the calls come in this order."""

    def head_arrived(self, head: RequestHead) -> None:
        """Take a head."""

    def body_arrived(self, chunk: bytes) -> None:
        """Take a piece of the body."""

    def request_ended(self) -> None:
        """Take note that the request is complete."""


class RequestReader:
    """Reads the requests of one connection.

    Args:
        sink: takes what is read.
    """

    def __init__(self, sink: RequestSink) -> None:
        self._sink = sink
        self._parser = httptools.HttpRequestParser(self)
        #: Bytes received since something was last made of them.
        self.undigested = 0
        #: Whether no request has begun since the last one ended.
        self._between = True
        #: Whether the request line that has begun goes on.
        self._in_line = False
        self._target = b""
        self._headers: list[Header] = []
        self._noted: dict[bytes, bytes] = {}
        #: The parser is about to stop, because the request offers another protocol.
        self._offered = False

    def feed(self, data: bytes) -> None:
        """Read what has come.

        Raises:
            BadRequestError: it is no request. Nothing can be read after this.
        """
        self.undigested += len(data)
        if self._between or self._in_line:
            end = data.find(b"\n")
            self._in_line = end < 0
            if not data.isascii():
                data = _escaped(data, len(data) if end < 0 else end)
        try:
            self._feed(data)
        except httptools.HttpParserCallbackError as error:
            # What was raised by a method below is in the context; all but refusals are bugs.
            if isinstance(error.__context__, BadRequestError):
                raise error.__context__ from None
            raise
        except httptools.HttpParserError:
            raise BadRequestError("this is not a request of HTTP/1.1") from None
        if self.undigested > HEAD_BYTES_MAX:
            raise _head_too_long()

    def _feed(self, data: bytes | memoryview) -> None:
        """Read, and serve requests that offer an upgrade as if they did not (RFC 9110, 7.8).

        The parser takes what follows the head for another protocol. Clients such as Java's offer
        HTTP/2 and send the body in HTTP/1.1 all the same, so the request is read once more,
        without the offer, by a parser that has not seen it.
        """
        while True:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                head_bytes: int = offer.args[0]
            else:
                return
            # Not while the offer is handled: it would hide why the head is refused.
            data = memoryview(data)[head_bytes:]
            head = self._without_offer()
            self._parser = httptools.HttpRequestParser(self)
            self._parser.feed_data(head)

    def _without_offer(self) -> bytes:
        method = self._parser.get_method()
        if method == b"CONNECT":
            raise BadRequestError("this server is no proxy")
        version = self._parser.get_http_version()
        self._offered = False
        return head_without_upgrade(method, self._target, version, self._headers)

    # -- For the parser

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._between = False
        self._target = b""
        self._headers = []
        self._noted.clear()

    def on_url(self, target: bytes) -> None:
        """Take a piece of the target."""
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        name = name.lower()
        value = value.rstrip(b" \t")
        if name in _NOTED:
            before = self._noted.get(name)
            self._noted[name] = value.lower() if before is None else before + b", " + value.lower()
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """Hand on a head."""
        parser = self._parser
        if self.undigested > HEAD_BYTES_MAX:
            self._check_size()
        if len(self._headers) > HEADERS_MAX:
            raise _too_much_head(f"there are more than {HEADERS_MAX} headers")
        self.undigested = 0
        if parser.should_upgrade():
            self._offered = True
            return
        version = parser.get_http_version()
        if self._noted or version != "1.1":
            self._check_framing(version)
        try:
            raw_path, query = split_target(self._target)
        except ValueError as error:
            raise BadRequestError(str(error)) from error
        # What comes from here on are trailers.
        headers, self._headers = self._headers, []
        is_new = version == "1.1"
        self._sink.head_arrived(
            RequestHead(
                parser.get_method().decode(),
                version,
                raw_path,
                query,
                headers,
                is_new and parser.should_keep_alive(),
                is_new and self._noted.get(b"expect") == b"100-continue",
            )
        )

    def on_body(self, chunk: bytes) -> None:
        """Hand on a piece of a body."""
        self.undigested = 0
        self._sink.body_arrived(chunk)

    def on_message_complete(self) -> None:
        """Hand on the end of a request."""
        if not self._offered:
            self._between = True
            self.undigested = 0
            self._sink.request_ended()

    def _check_size(self) -> None:
        """Refuse a long head; what has come may contain more than the head."""
        size = len(self._target) + sum(len(name) + len(value) + 4 for name, value in self._headers)
        if size > HEAD_BYTES_MAX:
            raise _head_too_long()

    def _check_framing(self, version: str) -> None:
        """Refuse what the parser lets through although others could read it differently."""
        if version not in ("1.0", "1.1"):
            raise BadRequestError(
                f"HTTP/{version} is not spoken here; use HTTP/1.1",
                HTTPStatus.HTTP_VERSION_NOT_SUPPORTED,
            )
        coding = self._noted.get(b"transfer-encoding")
        if coding is None:
            return
        if version == "1.0":
            raise BadRequestError("HTTP/1.0 has no transfer-encoding; send a content-length")
        if coding != b"chunked":
            raise BadRequestError(
                "no transfer-encoding but chunked is understood", HTTPStatus.NOT_IMPLEMENTED
            )


def _escaped(data: bytes, end: int) -> bytes:
    """Percent-encode what is not ASCII in a request line, which ends there.

    People type such paths, and curl sends them as they are; the parser takes ASCII alone.
    """
    line = data[:end]
    if line.isascii():
        return data
    escaped = b"".join(b"%%%02X" % byte if byte > 0x7F else b"%c" % byte for byte in line)
    return escaped + data[end:]


def _head_too_long() -> BadRequestError:
    return _too_much_head(f"the headers are longer than {HEAD_BYTES_MAX} bytes")


def _too_much_head(message: str) -> BadRequestError:
    return BadRequestError(message, HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
