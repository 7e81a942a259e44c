"""Between the processes of partitions: sockets that carry bytes in order, cut anywhere, and late.

A wire joins two processes. When one of them ends, what it had written arrives all the same, or is
cut off at any byte; then the other learns that it is over.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from simworld.hardware import Hardware
from simworld.loop import SimLoop

#: For so long, in seconds, what was written before a wire broke may still arrive.
LAST_WORDS_S = 0.01


class Wire:
    """Two sockets that are joined, by the numbers of the partitions that have them."""

    def __init__(self, hardware: Hardware, kernel: SimLoop, low: int, high: int) -> None:
        self.hardware = hardware
        self.chance = hardware.random("wires")
        self.kernel = kernel
        self.over = False
        #: From when on nothing arrives any more.
        self.broken_at_s = float("inf")
        self.plugs = {low: Plug(self), high: Plug(self)}
        self.plugs[low].other, self.plugs[high].other = self.plugs[high], self.plugs[low]

    def cut(self) -> None:
        """Break between two processes that are both there."""
        if not self.over:
            self.over = True
            self.broken_at_s = self.kernel.time() + self.chance.uniform(0, LAST_WORDS_S)
            for plug in self.plugs.values():
                self.kernel.call_at(self.broken_at_s, plug.hear_end)

    def latency_s(self) -> float:
        """Draw how long a piece takes."""
        chance = self.chance
        return chance.uniform(0.00005, 0.0005) if chance.random() < 0.9 else chance.uniform(0, 0.1)


class Plug:
    """One end of a wire: a socket, and once it is connected its transport."""

    other: Plug

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self._loop: SimLoop | None = None
        self._protocol: Any = None
        #: What has arrived and was not taken; None is the end.
        self._arrived: deque[bytes | None] = deque()
        self._paused = False
        self._closed = False
        self._waiting_bytes = 0
        #: Until when what was written before is on the way.
        self._busy_until_s = 0.0

    def connect(self, loop: SimLoop, protocol: Any) -> None:
        """Begin to read for a protocol."""
        self._loop, self._protocol = loop, protocol
        protocol.connection_made(self)
        loop.call_soon(self._take)

    def hang_up(self) -> None:
        """End with the process that has this end; it hears nothing of it."""
        if self._closed:
            return
        self._closed = self.wire.over = True
        if self.wire.chance.random() < 0.5:
            soon = self.wire.kernel.time() + self.wire.chance.uniform(0, LAST_WORDS_S)
            self.wire.broken_at_s = min(self.wire.broken_at_s, soon)
            self.wire.kernel.call_at(self.wire.broken_at_s, self.other.hear_end)
        else:
            self._send(None)

    # -- What a transport does

    def write(self, data: bytes) -> None:
        if self._closed:
            return
        cut = self.wire.chance.randrange(len(data)) if self.wire.chance.random() < 0.2 else 0
        for piece in (data[:cut], data[cut:]):
            if piece:
                self._waiting_bytes += len(piece)
                self._send(piece)

    def get_write_buffer_size(self) -> int:
        return self._waiting_bytes

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        assert self._loop is not None
        self._paused = False
        self._loop.call_soon(self._take)

    def close(self) -> None:
        if not self._closed:
            self._closed = self.wire.over = True
            self._send(None)
            self._lose()

    abort = close

    # -- Below

    def _send(self, piece: bytes | None) -> None:
        wire = self.wire
        self._busy_until_s = max(wire.kernel.time(), self._busy_until_s) + wire.latency_s()
        wire.kernel.call_at(self._busy_until_s, self._arrive, piece)

    def _arrive(self, piece: bytes | None) -> None:
        """Let a piece that was written here arrive at the other end."""
        if self.wire.kernel.time() < self.wire.broken_at_s:
            self._waiting_bytes -= len(piece or b"")
            self.other._hear(piece)

    def hear_end(self) -> None:
        self._hear(None)

    def _hear(self, piece: bytes | None) -> None:
        self._arrived.append(piece)
        if self._loop is not None:
            self._loop.call_soon(self._take)

    def _take(self) -> None:
        """Hand what has arrived to the protocol."""
        while self._arrived and not (self._closed or self._paused):
            piece = self._arrived.popleft()
            if piece is None:
                self.close()
            else:
                self._protocol.data_received(piece)

    def _lose(self) -> None:
        if self._loop is not None:
            self._loop.call_soon(self._protocol.connection_lost, None)
