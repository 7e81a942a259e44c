"""Heads of requests in HTTP/2: blocks in, heads out, or why they are none (RFC 9113, 8)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from jh2._hazmat import Decoder
from msgspec import Struct

from perdure.protocol.direct_http import Header
from perdure.server.heads import RequestHead, breaks_line
from perdure.server.http1_requests import HEAD_BYTES_MAX, HEADERS_MAX
from perdure.server.http1_text import split_target
from perdure.transport.http2_frames import ErrorCode, PeerError

_PSEUDO: Final = frozenset({b":method", b":scheme", b":authority", b":path"})
#: Headers about one connection, which HTTP/2 says in other ways.
_OF_CONNECTIONS: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
#: Headers that are known to be fine: so many of them, and none that is longer.
_REMEMBERED_MAX: Final = 256
_REMEMBERED_BYTES_MAX: Final = 128
#: Headers that are looked at together with others.
_LINKED: Final = frozenset({b"content-length", b"cookie", b"expect", b"host"})
#: What requests of one connection have in common: so much of it, and no head that is longer.
_COMMON_BYTES_MAX: Final = 16 * 1024
_COMMON_HEAD_BYTES_MAX: Final = 2048
#: What a header comes to besides its bytes, as compression tables count it (RFC 7541, section 4.1).
_FIELD_BYTES: Final = 32

#: Name and value, and whether its sender told everybody to keep it out of compression tables.
Field = tuple[bytes, bytes, bool]


class MalformedError(Exception):
    """A request breaks the rules; its stream ends, the connection goes on."""


class IncomingRequest(Struct, frozen=True, gc=False):
    """What comes before a body."""

    head: RequestHead
    #: How many bytes the body is to have, if the head says so.
    body_bytes: int | None


class HeadReader:
    """Reads the heads that one client sends.

    What a request has of its own is mostly kept out of compression tables and comes last. What
    comes before that is the same in many requests, and looked at once.
    """

    def __init__(self) -> None:
        self._decoder = Decoder(HEAD_BYTES_MAX)
        #: What requests had in common, and what it says.
        self._common: dict[tuple[Field, ...], IncomingRequest] = {}
        self._common_bytes = 0

    def decode(self, block: bytes) -> list[Field]:
        """Decompress a block; each has to be, even if nobody wants it any more.

        Raises:
            PeerError: it cannot be, or is too long; nothing after it can be read.
        """
        fields: list[Field]
        try:
            fields = self._decoder.decode(block, True)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of the codec's is no Exception
            reason = f"a header block cannot be read: {error}"
            raise PeerError(ErrorCode.COMPRESSION_ERROR, reason) from error
        if len(fields) > HEADERS_MAX:
            # A byte can stand for a whole header, so that a short block may hold very many.
            raise PeerError(ErrorCode.ENHANCE_YOUR_CALM, f"more than {HEADERS_MAX} headers")
        return fields

    def read(self, fields: list[Field], *, ended: bool) -> IncomingRequest:
        """Make a request's head of its fields.

        Args:
            fields: what a block holds, in order.
            ended: whether no body follows.

        Raises:
            MalformedError: they are none.
        """
        request = self._read_apart(fields) or _read(fields)
        if ended and request.body_bytes:
            raise MalformedError("a body is declared, and does not come")
        return request

    def _read_apart(self, fields: list[Field]) -> IncomingRequest | None:
        """Read what others have too, and what is kept apart behind it; None if nothing can be."""
        end = len(fields)
        while end and fields[end - 1][2]:
            end -= 1
        own = [(name, value) for name, value, _ in fields[end:]]
        if not own or any(name in _LINKED or name[:1] == b":" for name, _ in own):
            return None
        for name, value in own:
            _check(name, value)
        common = tuple(fields[:end])
        request = self._common.get(common)
        if request is None:
            request = _read(common)
            self._learn(common, request)
        return IncomingRequest(request.head.with_more(own), request.body_bytes)

    def _learn(self, common: tuple[Field, ...], request: IncomingRequest) -> None:
        size = sum([len(name) + len(value) + _FIELD_BYTES for name, value, _ in common])
        if size > _COMMON_HEAD_BYTES_MAX:
            return
        if self._common_bytes + size > _COMMON_BYTES_MAX:
            self._common.clear()
            self._common_bytes = 0
        self._common[common] = request
        self._common_bytes += size


def _read(fields: Sequence[Field]) -> IncomingRequest:
    pseudo, headers = _divide(fields)
    try:
        method, raw_target = pseudo[b":method"], pseudo[b":path"]
        pseudo[b":scheme"]
        raw_path, query = split_target(raw_target)
    except KeyError as error:
        raise MalformedError(f"the request has no {error.args[0].decode()}") from None
    except ValueError as error:
        raise MalformedError(str(error)) from error
    if not _NAME.fullmatch(method.lower()):
        raise MalformedError("the method is no word")
    headers = _as_http1(pseudo.get(b":authority"), headers)
    body_bytes, expects = _framing(headers)
    head = RequestHead(
        method.decode(),
        "2",
        raw_path,
        query,
        headers,
        keep_alive=True,
        expects_continue=expects,
    )
    return IncomingRequest(head, body_bytes)


def check_trailers(fields: Sequence[Field], *, ended: bool) -> None:
    """Look at what comes after a body, which is dropped.

    Raises:
        MalformedError: it may not stand there.
    """
    pseudo, _ = _divide(fields)
    if pseudo or not ended:
        raise MalformedError("the request has a second head")


def _divide(fields: Sequence[Field]) -> tuple[dict[bytes, bytes], list[Header]]:
    """Tell pseudo-headers, which come first, from headers, and look at both."""
    pseudo: dict[bytes, bytes] = {}
    headers: list[Header] = []
    for name, value, _ in fields:
        if len(name) + len(value) <= _REMEMBERED_BYTES_MAX:
            _check_remembered(name, value)
        else:
            _check(name, value)
        if name[:1] != b":":
            headers.append((name, value))
        elif headers or name in pseudo or name not in _PSEUDO or not value:
            raise MalformedError("a pseudo-header is misplaced, unknown or empty")
        else:
            pseudo[name] = value
    return pseudo, headers


def _check(name: bytes, value: bytes) -> None:
    if value.strip(b" \t") != value or breaks_line(value):
        raise MalformedError("a header has a value that cannot be sent on")
    if name.startswith(b":"):
        return
    if not _NAME.fullmatch(name):
        raise MalformedError("the name of a header has signs or capitals that it may not have")
    if name in _OF_CONNECTIONS or (name == b"te" and value != b"trailers"):
        raise MalformedError("a header is about a connection of HTTP/1.1")


#: Most headers of a request stood in the one before it.
_check_remembered: Final = lru_cache(_REMEMBERED_MAX)(_check)


def _as_http1(authority: bytes | None, headers: list[Header]) -> list[Header]:
    """Give the headers that HTTP/1.1 would have: a host, and cookies in one piece."""
    cookies = [value for name, value in headers if name == b"cookie"]
    if len(cookies) > 1:
        headers = [header for header in headers if header[0] != b"cookie"]
        headers.append((b"cookie", b"; ".join(cookies)))
    if authority is None:
        return headers
    return [(b"host", authority), *(header for header in headers if header[0] != b"host")]


def _framing(headers: list[Header]) -> tuple[int | None, bool]:
    """Give the length that the body is to have, and whether the client waits to send it."""
    lengths = set()
    expects = False
    for name, value in headers:
        if name == b"content-length":
            lengths.add(value)
        elif name == b"expect":
            expects = value.lower() == b"100-continue"
    if not lengths:
        return None, expects
    length = lengths.pop()
    if lengths or not length.isdigit() or len(length) > 18:
        raise MalformedError("the content-length is no number, or more than one")
    return int(length), expects
