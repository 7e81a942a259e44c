"""The text of HTTP/1.1: what stands in the heads of requests and responses, as pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

import httptools

from perdure.protocol.direct_http import Header
from perdure.server.heads import breaks_line, error_body

#: The answer to ``expect: 100-continue``.
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"

#: Headers that offer another protocol; the connection header names them too.
_UPGRADE_HEADERS: Final = frozenset({b"upgrade", b"http2-settings"})


#: The byte that begins a fragment.
_FRAGMENT: Final = ord("#")


class _StatusLines(dict[int, bytes]):
    def __missing__(self, status: int) -> bytes:
        return b"HTTP/1.1 %d " % status


#: The first line of a response, without its end, by the status.
STATUS_LINES: Final = _StatusLines(
    (status.value, b"HTTP/1.1 %d %b" % (status.value, status.phrase.encode()))
    for status in HTTPStatus
)


def join_head(lines: list[bytes]) -> bytes:
    """Join the lines of a head, and end it.

    Raises:
        ValueError: a line contains another, which could pass for a response of its own, or a zero.
    """
    if breaks_line(b"".join(lines)):
        raise ValueError("a header contains a line break or a zero")
    lines += (b"", b"")
    return b"\r\n".join(lines)


def error_response(status: HTTPStatus, message: str) -> bytes:
    """Write a whole response, in JSON, which is the last one of its connection."""
    body = error_body(status, message)
    lines = [
        STATUS_LINES[status],
        b"content-type: application/json",
        b"content-length: %d" % len(body),
        b"connection: close",
    ]
    return join_head(lines) + body


def split_target(target: bytes) -> tuple[bytes, bytes]:
    """Give the path of a request's target, as it came, and the query.

    Raises:
        ValueError: the target is of no known form.
    """
    if target[:1] == b"/" and _FRAGMENT not in target:
        raw_path, _, query = target.partition(b"?")
        return raw_path, query
    return _split_unusual_target(target)


def _split_unusual_target(target: bytes) -> tuple[bytes, bytes]:
    """Split what only proxies and mistaken clients send: whole URLs, ``*``, fragments."""
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError as error:
        raise ValueError("the request's target is no path") from error
    return url.path or b"/", url.query or b""


def head_without_upgrade(
    method: bytes, target: bytes, version: str, headers: Iterable[Header]
) -> bytes:
    """Write a request's head again, without the offer to speak another protocol."""
    lines = [b"%b %b HTTP/%b" % (method, target, version.encode())]
    for name, value in headers:
        if name == b"connection":
            lines.append(b"connection: " + _without_upgrade(value))
        elif name not in _UPGRADE_HEADERS:
            lines.append(b"%b: %b" % (name, value))
    return join_head(lines)


def _without_upgrade(connection: bytes) -> bytes:
    """Take out of a connection header what belongs to the offer of an upgrade."""
    tokens = (token.strip() for token in connection.split(b","))
    return b", ".join(token for token in tokens if token.lower() not in _UPGRADE_HEADERS)
