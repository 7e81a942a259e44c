"""Two partitions' processes in one: their links over one pair of sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

from perdure.core.model.shares import share_of
from perdure.links.codec import FrameReader, encode_frame
from perdure.links.links import Links
from perdure.links.questions import ReadTaken


class Ends:
    """Both ends of one link, and which of them were lost."""

    def __init__(self) -> None:
        here, there = socket.socketpair()
        self.sockets = (here, there)
        self.lost: list[str] = []
        self.here = Links(share_of(0, 2), {1: here}, lambda _: self.lost.append("here"))
        self.there = Links(share_of(1, 2), {0: there}, lambda _: self.lost.append("there"))

    async def start(self) -> None:
        await self.here.start()
        await self.there.start()

    async def close(self) -> None:
        await self.here.close()
        await self.there.close()


@contextlib.asynccontextmanager
async def linked() -> AsyncIterator[Ends]:
    """Give both ends of a link that is up."""
    ends = Ends()
    await ends.start()
    try:
        yield ends
    finally:
        await ends.close()


class Wire:
    """The other end of a link, frame by frame."""

    def __init__(self) -> None:
        here, self._sock = socket.socketpair()
        self._sock.setblocking(False)
        self.lost: list[int] = []
        self.links = Links(share_of(0, 2), {1: here}, self.lost.append)
        self._reader = FrameReader()
        self._loop = asyncio.get_running_loop()

    async def send(self, *frames) -> None:
        """Send frames, or bytes as they are."""
        for frame in frames:
            encoded = frame if isinstance(frame, bytes) else encode_frame(frame)
            await self._loop.sock_sendall(self._sock, encoded)

    async def receive(self):
        """Wait for the next frame; None at the end."""
        while (frame := self._reader.take()) is None:
            data = await self._loop.sock_recv(self._sock, 65536)
            if not data:
                return None
            self._reader.feed(data)
        return frame

    async def close(self) -> None:
        await self.links.close()
        self._sock.close()


@contextlib.asynccontextmanager
async def wired() -> AsyncIterator[Wire]:
    """Give a link whose other end is the test."""
    wire = Wire()
    await wire.links.start()
    try:
        yield wire
    finally:
        await wire.close()


def number(value: int) -> ReadTaken:
    """Give a question that carries no more than a number."""
    return ReadTaken(value)


async def until(condition, deadline_s: float = 10) -> None:
    """Let others go on until a condition holds."""
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110 - of many things, that no event tells
            await asyncio.sleep(0.001)
