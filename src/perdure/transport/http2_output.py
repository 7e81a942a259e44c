"""What goes out on one HTTP/2 connection, on either side of it: frames, and bodies by turns.

Frames are sent as they are said. Bodies are framed when the connection is ready to send
(:meth:`Output.output`), a piece of each stream's in turn, as far as the windows go.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from perdure.transport.http2_frames import WINDOW_DEFAULT, WINDOW_MAX, ErrorCode, PeerError

S = TypeVar("S")

#: Bytes framed in one go.
OUTPUT_BYTES: Final = 256 * 1024


class Output(ABC, Generic[S]):
    """The sending half of one connection, as far as both sides share it.

    Args:
        greeting: what is sent first.
        wanted: told when there is something to send.
    """

    def __init__(self, greeting: bytes, wanted: Callable[[], None]) -> None:
        self._output: list[bytes] = [greeting]
        self._wanted = wanted
        #: Streams that have something to send and are not held up by their own window.
        self._ready: dict[int, S] = {}
        #: What the peer takes on all streams together for now, in bytes.
        self._window = WINDOW_DEFAULT
        #: Bytes of frames, other than bodies, that wait to be sent.
        self.backlog = len(greeting)

    @property
    def shut(self) -> bool:
        """Whether the peer takes nothing of any body now."""
        return self._window <= 0

    def say(self, data: bytes) -> None:
        """Send a frame as it is."""
        self._output.append(data)
        self.backlog += len(data)
        self._wanted()

    def widen_all(self, difference: int) -> None:
        """Let all streams together send more.

        Raises:
            PeerError: that is more than there can be.
        """
        self._window += difference
        if self._window > WINDOW_MAX:
            raise PeerError(ErrorCode.FLOW_CONTROL_ERROR, "a window of more than 2^31-1 bytes")
        if self._ready:
            self._wanted()

    def output(self) -> bytes:
        """Give the next bytes to send; more may follow unless there are none."""
        size = 0
        progress = True
        while self._ready and progress and size < OUTPUT_BYTES:
            progress = False
            for stream in list(self._ready.values()):
                framed = self._frame_piece(stream)
                if framed is not None:
                    size += framed
                    progress = True
        output, self._output = b"".join(self._output), []
        self.backlog = 0
        return output

    @abstractmethod
    def _frame_piece(self, stream: S) -> int | None:
        """Frame the next piece of a stream's body, and give its size; None if it has to wait."""
