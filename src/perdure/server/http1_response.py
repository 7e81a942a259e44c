"""One response: ASGI's messages in, the bytes of HTTP/1.1 out.

The head is held until the first piece of the body, as ASGI allows, so that a response in one piece
is one write to the socket.

How the body's end is told, in the order of preference: by the length that the application declares,
by the length of a body that comes in one piece, by chunks, and to clients of HTTP/1.0 by the end of
the connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from perdure.protocol.direct_http import Header
from perdure.server.heads import ResponseError
from perdure.server.http1_text import STATUS_LINES, join_head

#: Headers that are this module's to write, because they say how the body ends, or when, or what
#: becomes of the connection.
_OWN_HEADERS: Final = frozenset({b"content-length", b"transfer-encoding", b"connection", b"date"})


class Http1Response:
    """The response to one request.

    Args:
        method: the request's method.
        version: the request's version of HTTP, such as ``1.1``.
        keep_alive: whether the client wants to use the connection again.
    """

    __slots__ = (
        "_bodiless",
        "_chunked",
        "_headers",
        "_remaining",
        "_status",
        "_version",
        "complete",
        "keep_alive",
        "opened",
    )

    def __init__(self, method: str, version: str, keep_alive: bool) -> None:
        self._version = version
        self._bodiless = method == "HEAD"
        self._status: int | None = None
        self._headers: Iterable[Header] = ()
        self._chunked = False
        #: Bytes of the body that are still to come; None if nobody knows.
        self._remaining: int | None = None
        #: Whether the connection can be used again afterwards.
        self.keep_alive = keep_alive
        #: Whether the head was given out.
        self.opened = False
        #: Whether all of it was given out.
        self.complete = False

    def start(self, status: int, headers: Iterable[Header]) -> None:
        """Take status and headers.

        Raises:
            ResponseError: there is a head already.
        """
        if self._status is not None:
            raise ResponseError("a response began twice")
        self._status = status
        self._headers = headers

    def proceed(self, body: bytes, *, more: bool, date: bytes) -> bytes:
        """Take a piece of the body, and give out what is to be sent now.

        Args:
            body: the piece.
            more: whether there are more pieces to come.
            date: the header that tells the time.

        Raises:
            ResponseError: the piece does not fit what came before it, or the head is not legal.
        """
        if self.complete:
            raise ResponseError("a response goes on after its end")
        if self.opened:
            content = self._frame(body, more=more)
        elif self._status is None:
            raise ResponseError("a response has a body before it began")
        else:
            head = self._open(self._status, self._headers, date, None if more else len(body))
            content = head + self._frame(body, more=more)
            self.opened = True
        self.complete = not more
        return content

    def whole(self, status: int, headers: Iterable[Header], body: bytes, *, date: bytes) -> bytes:
        """Take a response in one piece, and give out all of it.

        Raises:
            ResponseError: there is a head already, or it is not legal.
        """
        if self.opened or self._status is not None:
            raise ResponseError("a response began twice")
        head = self._open(status, headers, date, len(body))
        content = head + self._frame(body, more=False)
        self.opened = self.complete = True
        return content

    def _open(
        self, status: int, headers: Iterable[Header], date: bytes, length: int | None
    ) -> bytes:
        """Write the head; the length is that of a body in one piece."""
        lines = [STATUS_LINES[status], date]
        for header in headers:
            name = header[0]
            if name not in _OWN_HEADERS:
                lines.append(b": ".join(header))
            elif name == b"content-length":
                length = int(header[1])
            elif name == b"connection" and b"close" in header[1].lower():
                self.keep_alive = False
        self._choose_framing(lines, status, length)
        if not self.keep_alive:
            lines.append(b"connection: close")
        try:
            return join_head(lines)
        except ValueError as error:
            raise ResponseError(str(error)) from error

    def _choose_framing(self, lines: list[bytes], status: int, length: int | None) -> None:
        """Decide how the end of the body is told."""
        if status in (204, 304):
            self._bodiless = True
        elif length is not None:
            lines.append(b"content-length: %d" % length)
            self._remaining = length
        elif self._version == "1.0":
            self.keep_alive = False
        else:
            lines.append(b"transfer-encoding: chunked")
            self._chunked = True

    def _frame(self, body: bytes, *, more: bool) -> bytes:
        if self._bodiless:
            return b""
        if self._chunked:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return chunk if more else chunk + b"0\r\n\r\n"
        if self._remaining is not None:
            self._remaining -= len(body)
            if self._remaining < 0 or (self._remaining and not more):
                raise ResponseError("a response has another length than it declares")
        return body
