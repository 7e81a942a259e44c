"""One link: frames over a socket that two processes of a server share.

What one turn of the loop sends goes out as one write. What arrives is handled for a moment at a
time, between which others have their turn; the kernel holds the rest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, cast

from perdure.links.codec import AnyFrame, Frame, FrameReader, encode_frame
from perdure.links.errors import LinkError

#: How long frames are handled in one turn of the loop, in seconds.
SLICE_S: Final = 0.002
#: How long the last frames may take to be sent, in seconds.
FAREWELL_S: Final = 1.0

logger = logging.getLogger("perdure.links")


class Link(asyncio.Protocol):
    """This process's end of a link; it ends for good when either end does.

    Args:
        partition: who is at the other end.
        take: takes each frame; raises LinkError at one that cannot be.
        ended: is told when the link has ended, and whether it was closed at this end.
    """

    def __init__(
        self, partition: int, take: Callable[[AnyFrame], None], ended: Callable[[bool], None]
    ) -> None:
        self._partition = partition
        self._take = take
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        #: Frames of this turn of the loop, and what they come to in bytes.
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        #: Whether frames wait for their turn to be handled.
        self._held_up = False
        #: Whether nothing is sent or handled any more.
        self.over = False
        self._closed = False
        self._gone: asyncio.Future[None] = self._loop.create_future()

    @property
    def waiting_bytes(self) -> int:
        """What was sent and is not taken by the socket yet."""
        if self._transport is None:
            return self._gathered_bytes
        return self._gathered_bytes + self._transport.get_write_buffer_size()

    def send(self, frame: Frame) -> None:
        """Send a frame with all others of this turn of the loop; nothing once the link is over.

        Raises:
            Exception: the frame has no wire form; nothing is sent.
        """
        encoded = encode_frame(frame)
        if self.over:
            return
        if not self._gathered and self._transport is not None:
            self._loop.call_soon(self._flush)
        self._gathered.append(encoded)
        self._gathered_bytes += len(encoded)

    def fail(self, error: LinkError) -> None:
        """End the link because of a defect."""
        logger.critical("the link to partition %d fails: %s", self._partition, error)
        self.over = True
        if self._transport is not None:
            self._transport.abort()

    async def close(self) -> None:
        """Send what was gathered, and end the link; in bounded time."""
        if self.over or self._transport is None:
            self.over = True
            return
        self._flush()
        self.over = self._closed = True
        self._transport.close()
        await asyncio.wait((self._gone,), timeout=FAREWELL_S)
        self._transport.abort()

    # -- For the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's transports have the interface without being instances of the class.
        self._transport = cast(asyncio.Transport, transport)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        self._reader.feed(data)
        if not self._held_up:
            self._handle()

    def connection_lost(self, _error: Exception | None) -> None:
        """End."""
        self.over = True
        self._gone.set_result(None)
        self._ended(self._closed)

    def _flush(self) -> None:
        gathered, self._gathered, self._gathered_bytes = self._gathered, [], 0
        if gathered and not self.over and self._transport is not None:
            self._transport.write(gathered[0] if len(gathered) == 1 else b"".join(gathered))

    def _handle(self) -> None:
        """Handle frames until there is none, or others should have their turn."""
        until = self._loop.time() + SLICE_S
        try:
            while not self.over and (frame := self._reader.take()) is not None:
                self._take(frame)
                if self._loop.time() > until:
                    self._hold_up()
                    return
        except LinkError as error:
            self.fail(error)

    def _hold_up(self) -> None:
        """Handle the rest in the next turn of the loop, before anything more is read."""
        assert self._transport is not None, "what came, came over a transport"
        self._held_up = True
        self._transport.pause_reading()
        self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._held_up = False
        if self.over or self._transport is None:
            return
        self._transport.resume_reading()
        self._handle()
