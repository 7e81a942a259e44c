"""Request bodies: read whole, within a limit, and all together within another.

A body of exactly the limit is within it. Longer ones are refused as soon as that is known, from
their declared length or while they stream in, so that no more than the limit is ever held.
"""

from __future__ import annotations

from typing import Final

from perdure.engine.errors import OverloadedError
from perdure.ingress.errors import TooLargeError

#: Default limit; as large as one message of the service protocol may be.
BODY_BYTES_MAX: Final = 32 * 1024 * 1024


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


class Pieces:
    """A body that comes in pieces, of at most ``limit`` bytes.

    Args:
        limit: how many bytes are accepted.
        room: where pieces are kept until the last has come.
    """

    __slots__ = ("_held", "_limit", "_pieces", "_room")

    def __init__(self, limit: int, room: Room) -> None:
        self._limit = limit
        self._room = room
        self._pieces: list[bytes] = []
        self._held = 0

    def add(self, piece: bytes) -> None:
        """Keep a piece.

        Raises:
            TooLargeError: the body is longer than accepted.
            OverloadedError: there is no room for it now.
        """
        check_size(self._held + len(piece), self._limit)
        self._room.take(len(piece))
        self._held += len(piece)
        self._pieces.append(piece)

    def take(self) -> bytes:
        """Give what has come, and the room it took back."""
        body = b"".join(self._pieces)
        self._pieces.clear()
        self._room.give_back(self._held)
        self._held = 0
        return body


def check_size(size: int, limit: int) -> None:
    """Refuse a body that is longer than the limit.

    Raises:
        TooLargeError: it is.
    """
    if size > limit:
        raise TooLargeError(
            f"the body is longer than {limit} bytes; "
            "send less, or a reference to where the data can be fetched"
        )
