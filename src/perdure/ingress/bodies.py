"""Request bodies: read whole, within a limit.

A body of exactly the limit is within it. Longer ones are refused as soon as that is known, from
their declared length or while they stream in, so that no more than the limit is ever held.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from perdure.ingress.errors import TooLargeError

#: The ASGI callable that gives the next event of a request.
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

#: Default limit; as large as one message of the service protocol may be.
BODY_BYTES_MAX: Final = 32 * 1024 * 1024


class ClientGoneError(Exception):
    """The client went away; there is nobody to answer."""


async def read_body(receive: Receive, declared_length: bytes | None, limit: int) -> bytes:
    """Read a request's body, of at most ``limit`` bytes.

    Args:
        receive: gives the body in pieces.
        declared_length: the length that the client promises; the server has checked that it is a
            number.
        limit: how many bytes are accepted.

    Raises:
        TooLargeError: the body is longer.
        ClientGoneError: the client went away before its end.
    """
    if declared_length is not None:
        _check_size(int(declared_length), limit)
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        _check_size(size, limit)
        if not message.get("more_body", False):
            return b"".join((*chunks, chunk)) if chunks else chunk
        chunks.append(chunk)


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise TooLargeError(
            f"the body is longer than {limit} bytes; "
            "send less, or a reference to where the data can be fetched"
        )
