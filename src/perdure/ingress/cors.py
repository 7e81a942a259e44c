"""Cross-origin requests: every origin is welcome, and is told so by name.

Because the answer depends on the request, every response says by ``vary`` on what.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from perdure.ingress.replies import Header, Reply

#: On every response.
CONSTANT_HEADERS: Final[tuple[Header, ...]] = (
    (b"vary", b"origin, access-control-request-method, access-control-request-headers"),
    (b"access-control-allow-credentials", b"true"),
)

_ECHOED: Final = {
    b"access-control-request-method": b"access-control-allow-methods",
    b"access-control-request-headers": b"access-control-allow-headers",
}


def preflight_reply(headers: Iterable[Header]) -> Reply:
    """Allow what a browser asks for before it sends the request proper."""
    return Reply(200, [(_ECHOED[name], value) for name, value in headers if name in _ECHOED])


def origin_header(origin: bytes) -> Header:
    """Give the header that lets the requesting origin read the response."""
    return (b"access-control-allow-origin", origin)
