"""Request bodies: read whole, within a limit, and all together within another.

A body of exactly the limit is within it. Longer ones are refused as soon as that is known, from
their declared length or while they stream in, so that no more than the limit is ever held.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from perdure.engine.errors import OverloadedError
from perdure.ingress.errors import TooLargeError

#: The ASGI callable that gives the next event of a request.
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

#: Default limit; as large as one message of the service protocol may be.
BODY_BYTES_MAX: Final = 32 * 1024 * 1024


class ClientGoneError(Exception):
    """The client went away; there is nobody to answer."""


#: Default for what is held of all bodies that are still on their way.
HELD_BYTES_MAX: Final = 512 * 1024 * 1024


class Room:
    """Memory for bodies that come in pieces, until they are complete.

    Args:
        limit: how many bytes they may take together.
    """

    __slots__ = ("_held", "_limit")

    def __init__(self, limit: int = HELD_BYTES_MAX) -> None:
        self._limit = limit
        self._held = 0

    def take(self, size: int) -> None:
        """Hold so much more, until it is given back.

        Raises:
            OverloadedError: there is no room.
        """
        self._held += size
        if self._held > self._limit:
            self._held -= size
            raise OverloadedError("too many large requests arrive at once; try again later")

    def give_back(self, size: int) -> None:
        """Hold so much less."""
        self._held -= size


async def read_body(
    receive: Receive, declared_length: bytes | None, limit: int, room: Room
) -> bytes:
    """Read a request's body, of at most ``limit`` bytes.

    Args:
        receive: gives the body in pieces.
        declared_length: the length that the client promises; the server has checked that it is a
            number.
        limit: how many bytes are accepted.
        room: where pieces are kept until the last has come.

    Raises:
        TooLargeError: the body is longer.
        OverloadedError: there is no room for it now.
        ClientGoneError: the client went away before its end.
    """
    if declared_length is not None:
        _check_size(int(declared_length), limit)
    message = await receive()
    if message["type"] != "http.request":
        raise ClientGoneError
    body: bytes = message.get("body", b"")
    if message.get("more_body", False):
        return await _read_rest(body, receive, limit, room)
    _check_size(len(body), limit)
    return body


async def _read_rest(first: bytes, receive: Receive, limit: int, room: Room) -> bytes:
    chunks: list[bytes] = []
    chunk, more = first, True
    held = 0
    try:
        while True:
            _check_size(held + len(chunk), limit)
            room.take(len(chunk))
            held += len(chunk)
            chunks.append(chunk)
            if not more:
                return b"".join(chunks)
            message = await receive()
            if message["type"] != "http.request":
                raise ClientGoneError
            chunk, more = message.get("body", b""), message.get("more_body", False)
    finally:
        room.give_back(held)


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise TooLargeError(
            f"the body is longer than {limit} bytes; "
            "send less, or a reference to where the data can be fetched"
        )
