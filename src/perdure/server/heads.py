"""What a request says before its body, and what a response is made with, in any version of HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Protocol
from urllib.parse import unquote

from msgspec import Struct
from msgspec.structs import replace

from perdure.protocol.direct_http import Header

_LINE_FEED, _CARRIAGE_RETURN, _ZERO = b"\n\r\0"


def error_body(status: HTTPStatus, message: str) -> bytes:
    """Write what a client is told of an error, in JSON."""
    return json.dumps({"code": status.value, "message": message}).encode()


def breaks_line(text: bytes) -> bool:
    """Tell whether a name or value holds what no header may: an end of a line, or a zero."""
    # As numbers: to look for bytes in bytes takes ten times as long.
    return _LINE_FEED in text or _CARRIAGE_RETURN in text or _ZERO in text


class ResponseError(Exception):
    """What an application sends is no response; the application is to blame."""


class RequestHead(Struct, frozen=True, gc=False):
    """What a request says before its body."""

    method: str
    #: ``1.0``, ``1.1`` or ``2``.
    version: str
    #: As it came, percent-encoded.
    raw_path: bytes
    query: bytes
    #: Names, in lower case, and values, in order.
    headers: list[Header]
    #: Whether the client wants to use the connection again.
    keep_alive: bool
    #: Whether the client waits for a word before it sends the body.
    expects_continue: bool

    @property
    def path(self) -> str:
        """The path, decoded."""
        path = self.raw_path.decode("latin-1")
        return unquote(path) if "%" in path else path

    def with_more(self, headers: Sequence[Header]) -> RequestHead:
        """Give a head that has these headers, too."""
        return replace(self, headers=[*self.headers, *headers])


class Response(Protocol):
    """Makes of ASGI's messages what a connection sends."""

    #: Whether the connection can be used again afterwards.
    keep_alive: bool
    #: Whether the head was given out.
    opened: bool
    #: Whether all of it was given out.
    complete: bool

    def start(self, status: int, headers: Iterable[Header]) -> None:
        """Take status and headers.

        Raises:
            ResponseError: there is a head already.
        """

    def proceed(self, body: bytes, *, more: bool, date: bytes) -> bytes:
        """Take a piece of the body, and give what the connection is to write now.

        Args:
            body: the piece.
            more: whether there are more pieces to come.
            date: the date, as the wire has it.

        Raises:
            ResponseError: the piece does not fit what came before it, or the head is not legal.
        """

    def whole(self, status: int, headers: Iterable[Header], body: bytes, *, date: bytes) -> bytes:
        """Take a response in one piece, and give what the connection is to write.

        Raises:
            ResponseError: there is a head already, or it is not legal.
        """
