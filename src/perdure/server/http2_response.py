"""One response in HTTP/2: ASGI's messages in; the fields of its head, and its body, out."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from perdure.protocol.direct_http import Header
from perdure.server.heads import ResponseError, breaks_line

#: Headers that are the connection's to write, or that HTTP/2 does without.
_DROPPED: Final = frozenset(
    {b"connection", b"date", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
#: Headers of so many kinds of responses are not looked at again.
_REMEMBERED_MAX: Final = 64


class Http2Response:
    """The response to one request.

    Args:
        method: the request's method.
    """

    __slots__ = (
        "_bodiless",
        "_headers",
        "_remaining",
        "_status",
        "complete",
        "fields",
        "keep_alive",
        "opened",
    )

    def __init__(self, method: str) -> None:
        self._bodiless = method == "HEAD"
        self._status: int | None = None
        self._headers: Iterable[Header] = ()
        #: Bytes of the body that are still to come; None if nobody knows.
        self._remaining: int | None = None
        #: The head, once it was given out.
        self.fields: tuple[Header, ...] = ()
        self.opened = False
        self.complete = False
        #: Nobody looks at it: streams end by themselves, and the connection goes on.
        self.keep_alive = True

    def start(self, status: int, headers: Iterable[Header]) -> None:
        """Take status and headers."""
        if self._status is not None:
            raise ResponseError("a response began twice")
        self._status = status
        self._headers = headers

    def whole(self, status: int, headers: Iterable[Header], body: bytes, *, date: bytes) -> bytes:
        """Take a response in one piece, and give what of its body is to be sent."""
        self.start(status, headers)
        return self.proceed(body, more=False, date=date)

    def proceed(self, body: bytes, *, more: bool, date: bytes) -> bytes:
        """Take a piece of the body, and give what of it is to be sent."""
        if self.complete:
            raise ResponseError("a response goes on after its end")
        if not self.opened:
            self.fields = self._open(date, None if more else len(body))
            self.opened = True
        self.complete = not more
        if self._bodiless:
            return b""
        if self._remaining is not None:
            self._remaining -= len(body)
            if self._remaining < 0 or (self._remaining and not more):
                raise ResponseError("a response has another length than it declares")
        return body

    def _open(self, date: bytes, length: int | None) -> tuple[Header, ...]:
        """Write the head; the length is that of a body in one piece."""
        if self._status is None:
            raise ResponseError("a response has a body before it began")
        headers, status = self._headers, self._status
        # A tuple comes again and again: all attempts are answered with the same one.
        if type(headers) is tuple:
            fields, declared = _remembered(status, date, headers)
        else:
            fields, declared = _written(status, date, headers)
        if status in (204, 304):
            self._bodiless = True
            return fields
        length = length if declared is None else declared
        if length is None:
            return fields
        self._remaining = length
        return (*fields, (b"content-length", b"%d" % length))


def _written(
    status: int, date: bytes, headers: Iterable[Header]
) -> tuple[tuple[Header, ...], int | None]:
    """Give the head as HTTP/2 has it, and the length that it declares."""
    fields = [(b":status", b"%d" % status), (b"date", date)]
    length: int | None = None
    for name, value in headers:
        if breaks_line(name) or breaks_line(value):
            raise ResponseError("a header contains a line break")
        if name == b"content-length":
            length = int(value)
        elif name not in _DROPPED:
            fields.append((name.lower(), value))
    return tuple(fields), length


_remembered: Final = lru_cache(_REMEMBERED_MAX)(_written)
