"""How much a client may still send: bytes count until they are read, and their room given back."""

from __future__ import annotations

from perdure.transport.http2_frames import ErrorCode, PeerError


class ReceiveWindow:
    """The window of a stream, or of all streams of a connection.

    Args:
        size: what may be under way and unread together, in bytes.
    """

    __slots__ = ("_owed", "_size", "_taken")

    def __init__(self, size: int) -> None:
        self._size = size
        #: What arrived since the client was last told of room.
        self._taken = 0
        #: What of it was read.
        self._owed = 0

    def take(self, size: int) -> None:
        """Take note of bytes that arrived.

        Raises:
            PeerError: there was no room for them.
        """
        self._taken += size
        if self._taken > self._size:
            reason = "more data than the window allows"
            raise PeerError(ErrorCode.FLOW_CONTROL_ERROR, reason)

    def give_back(self, size: int) -> int:
        """Take note of bytes that were read, and tell how much room to offer now; mostly none."""
        self._owed += size
        if self._owed * 2 < self._size:
            return 0
        room, self._owed = self._owed, 0
        self._taken -= room
        return room
