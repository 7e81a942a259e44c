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
from perdure.transport.http2_blocks import REFERENCES, read_literals
from perdure.transport.http2_frames import ErrorCode, PeerError

_PSEUDO: Final = frozenset({b":method", b":scheme", b":authority", b":path"})
#: Headers about one connection, which HTTP/2 says in other ways.
_OF_CONNECTIONS: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
#: Values with nothing in them that has to be looked at.
_PLAIN: Final = re.compile(rb"[!-~]*")
#: Headers that are known to be fine: so many of them, and none that is longer.
_REMEMBERED_MAX: Final = 256
_REMEMBERED_BYTES_MAX: Final = 128
#: Headers that are looked at together with others, or at more than their name.
_LINKED: Final = frozenset({b"content-length", b"cookie", b"expect", b"host", b"te"})
#: What a request may have of its own to be told by what it has in common with others, in bytes.
_OWN_BYTES_MAX: Final = 2048
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
    comes before that are references into the table: as long as the table stays as it is, the same
    ones stand for the same headers, which are looked at once.
    """

    def __init__(self) -> None:
        self._decoder = Decoder(HEAD_BYTES_MAX)
        #: What requests had in common, by how it is written.
        self._common: dict[bytes, IncomingRequest] = {}
        self._common_bytes = 0

    def decode(self, block: bytes) -> list[Field]:
        """Decompress a block; each has to be, even if nobody wants it any more.

        Raises:
            PeerError: it cannot be, or is too long; nothing after it can be read.
        """
        self._forget()  # for it may change the table
        return self._decompress(block)

    def read(self, block: bytes, *, ended: bool) -> IncomingRequest:
        """Decompress a block, and make a request's head of it.

        Args:
            block: a header block.
            ended: whether no body follows.

        Raises:
            PeerError: it cannot be decompressed, or is too long; nothing after it can be read.
            MalformedError: it is no request's head.
        """
        literals = block.lstrip(REFERENCES)
        own = _own_headers(literals) if len(literals) <= _OWN_BYTES_MAX else None
        if own is None:
            request = _read(self.decode(block))
        else:
            request = self._read_common(block[: len(block) - len(literals)])
            if own:
                request = IncomingRequest(request.head.with_more(own), request.body_bytes)
        if ended and request.body_bytes:
            raise MalformedError("a body is declared, and does not come")
        return request

    def _read_common(self, references: bytes) -> IncomingRequest:
        """Read what leaves the compression table as it is."""
        request = self._common.get(references)
        if request is None:
            fields = self._decompress(references)
            request = _read(fields)
            self._learn(references, fields, request)
        return request

    def _decompress(self, block: bytes) -> list[Field]:
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

    def _learn(self, references: bytes, fields: list[Field], request: IncomingRequest) -> None:
        size = sum([len(name) + len(value) + _FIELD_BYTES for name, value, _ in fields])
        if size > _COMMON_HEAD_BYTES_MAX:
            return
        if self._common_bytes + size > _COMMON_BYTES_MAX:
            self._forget()
        self._common[references] = request
        self._common_bytes += size

    def _forget(self) -> None:
        if self._common:
            self._common.clear()
            self._common_bytes = 0


def _own_headers(literals: bytes) -> list[Header] | None:
    """Read headers that can be looked at by themselves; None if there is anything else."""
    headers = read_literals(literals)
    if headers is not None:
        for name, value in headers:
            if not (_is_apart(name) and _PLAIN.fullmatch(value)):
                return None
    return headers


@lru_cache(_REMEMBERED_MAX)
def _is_apart(name: bytes) -> bool:
    """Tell whether a header of this name is legal whatever its value and its neighbours."""
    if name in _LINKED or name in _OF_CONNECTIONS:
        return False
    return _NAME.fullmatch(name) is not None


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
