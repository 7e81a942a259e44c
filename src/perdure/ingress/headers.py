"""Request headers: what the ingress reads from them, and what it passes on to the handler.

Passed on are all but those that concern this connection or the ingress alone, in order, after
``x-restate-ingress-path``, which tells under which URL the handler was called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from perdure.ingress.errors import BadRequestError
from perdure.protocol.messages import Headers

_IDEMPOTENCY_KEY: Final = b"idempotency-key"
_LIMIT_KEY: Final = b"x-restate-limit-key"
_CONTENT_TYPE: Final = b"content-type"

#: Of this connection or for the ingress only, hence not passed on.
_KEPT_HERE: Final = frozenset({b"host", b"connection", _IDEMPOTENCY_KEY, b"idempotency-expires"})


class RequestHeaders(Struct, gc=False):
    """The headers of one request to a handler."""

    #: As the handler sees them.
    forwarded: Headers
    content_type: str | None = None
    idempotency_key: str | None = None


def read_headers(
    raw: Iterable[tuple[bytes, bytes]], fields: Mapping[bytes, bytes], ingress_path: bytes
) -> RequestHeaders:
    """Read the headers of a request to a handler; names are in lower case already.

    Args:
        raw: names and values in order.
        fields: the first value of each.
        ingress_path: path and query of the request, as they came.

    Raises:
        BadRequestError: the idempotency key is no visible ASCII, or a limit key is given.
    """
    if fields.get(_LIMIT_KEY):
        raise BadRequestError(
            "a limit-key requires a scope to be set, which this server does not offer; "
            "leave out the header x-restate-limit-key"
        )
    # Latin-1 keeps every byte as one character: what the handler sees can be undone.
    forwarded = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in raw
        if name not in _KEPT_HERE
    ]
    content_type = fields.get(_CONTENT_TYPE)
    idempotency_key = fields.get(_IDEMPOTENCY_KEY)
    return RequestHeaders(
        (("x-restate-ingress-path", ingress_path.decode("latin-1")), *forwarded),
        None if content_type is None else content_type.decode("latin-1"),
        None if idempotency_key is None else _checked_idempotency_key(idempotency_key),
    )


def _checked_idempotency_key(raw: bytes) -> str:
    text = raw.decode("latin-1")
    if not text.isascii() or not text.isprintable():
        raise BadRequestError(
            "bad header idempotency-key: it can hold visible ASCII characters only"
        )
    return text
